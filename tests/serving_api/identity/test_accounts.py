"""Accounts: register, sign in, refresh, sign out, change, export and delete; keys; administration."""

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.identity.roles import Role
from lakehouse.io.identity.accounts import one_time_link
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tokens import TokenSigner
from serving_api.http.auth import Authenticator
from serving_api.http.tickets import Tickets
from tests.conftest import Broker
from tests.support import served_lake
from tests.support.api import Api, Environment, new_stack
from tests.support.identity.audit import chain_fault
from tests.support.identity.people import PASSWORD, add_person, in_store, send, sign_in

ME = "/api/v1/users/me"
KEYS = f"{ME}/keys"
USERS = "/api/v1/admin/users"
KEY = {"name": "k", "scopes": ["read"], "password": PASSWORD}


@pytest.fixture(scope="module")
def own(
    broker: Broker, tmp_path_factory: pytest.TempPathFactory, store_knobs: dict[str, str]
) -> Iterator[Api]:
    """Rights are read at every request."""
    knobs = store_knobs | {"LUMBUNG_IDENTITY__RIGHTS_SECONDS": "0"}
    stack = new_stack(tmp_path_factory.mktemp("accounts"), broker, **knobs)
    served_lake.fill(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


def problem_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def registration(email: str, **more: Any) -> dict[str, Any]:
    return {"email": email, "password": PASSWORD, **more}


def test_person_registers_signs_in_and_reads_the_account(own: Api):
    first = send(own, "POST", "/api/v1/users/register", registration("Siti@Example.id", full_name="Siti"))
    again = send(own, "POST", "/api/v1/users/register", registration("siti@example.ID"))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    tokens = sign_in(own, "siti@example.id")
    assert tokens["role"] == "user" and tokens["expires_in"] == 900
    account = send(own, "GET", ME, token=tokens["access_token"])
    assert account.json()["email"] == "siti@example.id" and account.json()["full_name"] == "Siti"
    assert "no-store" in account.headers["cache-control"]
    changed = send(own, "PATCH", ME, {"locale": "en", "full_name": None}, tokens["access_token"])
    assert (changed.json()["locale"], changed.json()["full_name"]) == ("en", None)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("fourteen-chars", "password_length"),
        ("passwordpassword", "password_repeats"),
        ("abcdefghijklmnopqrst", "password_sequence"),
        ("1qazxsw2 admin password 2026", "password_common"),
        ("rahasia-indonesia-2026", "password_common"),
    ],
)
def test_weak_password_is_refused_with_its_reason(own: Api, password: str, rule: str):
    response = send(own, "POST", "/api/v1/users/register", {"email": "w@example.id", "password": password})
    assert problem_of(response) == (422, "weak-password")
    assert response.json()["errors"][0]["code"] == rule


def test_wrong_password_and_unknown_address_have_one_answer(own: Api):
    add_person(own.stack, "known@example.id")
    answers = [
        send(own, "POST", "/api/v1/auth/login", {"email": email, "password": "wrong wrong wrong wrong"})
        for email in ("known@example.id", "nobody@example.id")
    ]
    assert [problem_of(answer) for answer in answers] == [(401, "bad-credentials")] * 2
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_account_waits_after_five_wrong_passwords_also_after_a_restart(broker: Broker, tmp_path):
    names = ("BACK_OFF", "LONGEST_BACK_OFF")
    stack = new_stack(tmp_path, broker, **{f"LUMBUNG_IDENTITY__{name}_SECONDS": "36000" for name in names})
    add_person(stack, "target@example.id")
    first = Api(stack)
    try:
        token = sign_in(first, "target@example.id")["access_token"]
        guess = {"current_password": "wrong wrong wrong wrong", "new_password": "becak hijau lewat jembatan"}
        change = [send(first, "POST", f"{ME}/password", guess, token).status_code for _ in range(2)]
        wrong = {"email": "target@example.id", "password": "wrong wrong wrong wrong"}
        statuses = [send(first, "POST", "/api/v1/auth/login", wrong).status_code for _ in range(4)]
        assert change + statuses == [401, 401, 401, 401, 401, 429], "guesses with a stolen token count too"
        right = guess | {"current_password": PASSWORD}
        assert problem_of(send(first, "POST", f"{ME}/password", right, token)) == (429, "rate-limited")
    finally:
        first.stop()
    second = Api(stack)
    try:
        right = {"email": "target@example.id", "password": PASSWORD}
        response = send(second, "POST", "/api/v1/auth/login", right)
        assert problem_of(response) == (429, "rate-limited") and int(response.headers["retry-after"]) > 3600
    finally:
        second.stop()


def test_refresh_token_is_spent_once_and_its_second_use_ends_the_sign_in(own: Api):
    add_person(own.stack, "rotating@example.id")
    first = sign_in(own, "rotating@example.id")
    body = {"refresh_token": first["refresh_token"]}
    second = send(own, "POST", "/api/v1/auth/refresh", body).json()
    assert send(own, "GET", ME, token=second["access_token"]).status_code == 200
    assert problem_of(send(own, "POST", "/api/v1/auth/refresh", body)) == (401, "token-invalid")
    newest = {"refresh_token": second["refresh_token"]}
    assert send(own, "POST", "/api/v1/auth/refresh", newest).status_code == 401
    assert send(own, "GET", ME, token=second["access_token"]).status_code == 401


def test_sign_out_ends_one_sign_in_or_all(own: Api):
    add_person(own.stack, "leaving@example.id")
    here, there, elsewhere = (sign_in(own, "leaving@example.id")["access_token"] for _ in range(3))
    assert send(own, "POST", "/api/v1/auth/logout", {}, here).status_code == 204
    assert send(own, "GET", ME, token=here).status_code == 401
    assert send(own, "GET", ME, token=there).status_code == 200
    assert send(own, "POST", "/api/v1/auth/logout", {"all": True}, there).status_code == 204
    assert send(own, "GET", ME, token=elsewhere).status_code == 401


def test_sign_out_takes_effect_when_the_rights_that_are_remembered_end(broker: Broker, tmp_path):
    api = Api(new_stack(tmp_path, broker, LUMBUNG_IDENTITY__RIGHTS_SECONDS="5"))
    now = [0.0]
    with Environment(api.stack).entered():
        known = Authenticator(api.shared(Database), api.shared(TokenSigner), clock=lambda: now[0])
    api.http.app.state.shared[Authenticator] = known
    try:
        add_person(api.stack, "remembered@example.id")
        here, there = (sign_in(api, "remembered@example.id")["access_token"] for _ in range(2))
        assert send(api, "GET", ME, token=here).status_code == 200
        assert send(api, "POST", "/api/v1/auth/logout", {"all": True}, there).status_code == 204
        now[0] = 4.9
        assert send(api, "GET", ME, token=here).status_code == 200
        now[0] = 5.0
        assert problem_of(send(api, "GET", ME, token=here)) == (401, "token-invalid")
    finally:
        api.stop()


def test_password_is_changed_with_the_current_one_and_ends_sign_ins(own: Api):
    add_person(own.stack, "change@example.id")
    token = sign_in(own, "change@example.id")["access_token"]
    other = "becak hijau lewat jembatan"
    wrong = {"current_password": "wrong wrong wrong", "new_password": other}
    assert problem_of(send(own, "POST", f"{ME}/password", wrong, token)) == (401, "bad-credentials")
    right = {"current_password": PASSWORD, "new_password": other}
    assert send(own, "POST", f"{ME}/password", right, token).status_code == 204
    assert send(own, "GET", ME, token=token).status_code == 401
    assert sign_in(own, "change@example.id", other)["role"] == "user"


def test_account_is_exported_without_secrets_and_deleted(own: Api):
    user_id = add_person(own.stack, "gone@example.id")
    token = sign_in(own, "gone@example.id")["access_token"]
    key = send(own, "POST", KEYS, KEY, token).json()["key"]
    exported = send(own, "GET", f"{ME}/export", token=token)
    assert exported.json()["account"]["email"] == "gone@example.id" and len(exported.json()["api_keys"]) == 1
    assert key not in exported.text and "argon2" not in exported.text
    assert send(own, "DELETE", ME, {"password": PASSWORD}, token).status_code == 204
    assert send(own, "GET", ME, token=token).status_code == 401
    assert send(own, "GET", "/api/v1/quarantine", token=key).status_code == 401
    listed = send(own, "GET", f"{USERS}?email=gone@example.id", token=own.stack.tokens["admin"])
    assert listed.json()["items"] == []
    audit = send(own, "GET", f"/api/v1/admin/audit?actor={user_id}", token=own.stack.tokens["admin"])
    assert audit.json()["items"][0]["action"] == "user.delete" and "gone@example.id" not in audit.text


def test_key_and_deletion_need_the_password(own: Api):
    """A stolen token alone makes no lasting key, and removes nothing."""
    add_person(own.stack, "careful@example.id")
    token = sign_in(own, "careful@example.id")["access_token"]
    for method, path, body in (("POST", KEYS, KEY), ("DELETE", ME, {"password": PASSWORD})):
        guess = send(own, method, path, body | {"password": "wrong wrong wrong wrong"}, token)
        assert problem_of(guess) == (401, "bad-credentials")
        without = {name: value for name, value in body.items() if name != "password"}
        assert problem_of(send(own, method, path, without, token)) == (422, "validation")
    assert send(own, "GET", ME, token=token).status_code == 200
    assert send(own, "GET", KEYS, token=token).json()["items"] == []


@pytest.mark.parametrize("way", ["reset", "changed"])
def test_another_password_ends_api_keys(own: Api, way: str):
    email = f"{way}@example.id"
    user_id = add_person(own.stack, email)
    token = sign_in(own, email)["access_token"]
    key = send(own, "POST", KEYS, KEY, token).json()["key"]
    assert send(own, "GET", "/api/v1/users/me/preferences", token=key).status_code == 200
    other = "becak hijau lewat jembatan"
    if way == "reset":
        link = in_store(own.stack, lambda store: one_time_link(store, user_id, "test"))
        assert send(own, "POST", "/api/v1/auth/link", {"link": link, "password": other}).status_code == 200
    else:
        change = {"current_password": PASSWORD, "new_password": other}
        assert send(own, "POST", f"{ME}/password", change, token).status_code == 204
    assert send(own, "GET", "/api/v1/users/me/preferences", token=key).status_code == 401


def test_api_key_reads_or_sends_by_its_scopes_until_it_is_revoked(own: Api):
    add_person(own.stack, "op@example.id", Role.OPERATOR)
    token = sign_in(own, "op@example.id")["access_token"]
    keys = {
        scope: send(own, "POST", KEYS, KEY | {"name": scope, "scopes": [scope]}, token).json()
        for scope in ("read", "ingest")
    }
    event = {"market_id": "PASAR-001", "commodity": "garam", "price": 11500.0}
    decision = {"decision": "reject", "reason": "not what was sent"}
    uses = {
        "read": [(200, "GET", "/api/v1/quarantine", None), (403, "POST", "/ingest", event)],
        "ingest": [(403, "GET", "/api/v1/quarantine", None), (202, "POST", "/ingest", event)],
    }
    for scope, requests in uses.items():
        key = keys[scope]["key"]
        for status, method, path, body in requests:
            assert send(own, method, path, body, key).status_code == status, (scope, path)
        assert send(own, "GET", ME, token=key).status_code == 403
        dashboard = send(own, "GET", "/api/dashboard", token=key)
        is_own = "private" in dashboard.headers["cache-control"]
        assert dashboard.status_code == 200 and is_own == (scope == "read"), "others see what is public"
        assert send(own, "POST", "/api/v1/quarantine/q0/decision", decision, key).status_code == 403
    listed = send(own, "GET", KEYS, token=token)
    assert {item["name"] for item in listed.json()["items"]} == {"read", "ingest"}
    assert not any(item["key"] in listed.text for item in keys.values())
    add_person(own.stack, "other@example.id")
    stranger = sign_in(own, "other@example.id")["access_token"]
    path = f"{KEYS}/{keys['read']['key_id']}"
    assert send(own, "DELETE", path, token=stranger).status_code == 404
    assert send(own, "DELETE", path, token=token).status_code == 204
    revoked = keys["read"]["key"]
    assert send(own, "GET", "/api/v1/quarantine", token=revoked).status_code == 401


def test_changed_role_and_disabled_account_take_effect(own: Api):
    user_id = add_person(own.stack, "promoted@example.id")
    token = sign_in(own, "promoted@example.id")["access_token"]
    admin = own.stack.tokens["admin"]
    assert send(own, "GET", "/api/v1/quarantine", token=token).status_code == 403
    raised = send(own, "PATCH", f"{USERS}/{user_id}", {"role": "operator", "regions": ["Jawa Barat"]}, admin)
    assert (raised.json()["role"], raised.json()["regions"]) == ("operator", ["32"])
    assert send(own, "GET", "/api/v1/quarantine", token=token).status_code == 200
    assert send(own, "PATCH", f"{USERS}/{user_id}", {"disabled": True}, admin).json()["disabled"] is True
    assert send(own, "GET", ME, token=token).status_code == 401
    login = {"email": "promoted@example.id", "password": PASSWORD}
    assert problem_of(send(own, "POST", "/api/v1/auth/login", login)) == (401, "bad-credentials")
    unknown = send(own, "PATCH", f"{USERS}/{user_id}", {"regions": ["Atlantis"]}, admin)
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["code"] == "unknown_region"


def test_raised_role_ends_what_a_stranger_has_of_the_address(own: Api):
    email = "officer@agency.example.id"
    send(own, "POST", "/api/v1/users/register", registration(email))
    token = sign_in(own, email)["access_token"]
    key = send(own, "POST", KEYS, KEY, token).json()["key"]
    admin = own.stack.tokens["admin"]
    listed = send(own, "GET", f"{USERS}?email={email}", token=admin).json()["items"]
    path = f"{USERS}/{listed[0]['user_id']}"
    assert send(own, "PATCH", path, {"role": "user"}, admin).json()["link"] is None
    link = send(own, "PATCH", path, {"role": "operator"}, admin).json()["link"]
    for bearer in (token, key):
        assert send(own, "GET", "/api/v1/quarantine", token=bearer).status_code == 401
    stolen = {"email": email, "password": PASSWORD}
    assert problem_of(send(own, "POST", "/api/v1/auth/login", stolen)) == (401, "bad-credentials")
    body = {"link": link.partition("#")[2], "password": "becak hijau lewat jembatan"}
    assert send(own, "POST", "/api/v1/auth/link", body).json()["role"] == "operator"
    again = send(own, "PATCH", path, {"role": "central"}, admin).json()
    assert again["link"] is None and sign_in(own, email, body["password"])["role"] == "central"


def test_last_administrator_stays(own: Api):
    user_id = add_person(own.stack, "only@example.id", Role.ADMIN)
    for change in ({"disabled": True}, {"role": "user"}):
        response = send(own, "PATCH", f"{USERS}/{user_id}", change, own.stack.tokens["admin"])
        assert problem_of(response) == (409, "last-admin")
    token = sign_in(own, "only@example.id")["access_token"]
    assert problem_of(send(own, "DELETE", ME, {"password": PASSWORD}, token)) == (409, "last-admin")


def test_every_change_of_rights_is_in_the_audit_and_its_chain_is_intact(own: Api):
    user_id = add_person(own.stack, "audited@example.id")
    send(own, "PATCH", f"{USERS}/{user_id}", {"role": "central"}, own.stack.tokens["admin"])
    items = send(own, "GET", "/api/v1/admin/audit?limit=1", token=own.stack.tokens["admin"]).json()["items"]
    assert items[0]["object"] == user_id
    assert (items[0]["action"], items[0]["actor"]) == ("user.change", "admin")

    async def fault(database: Database) -> int | None:
        async with database.reading() as session:
            return await chain_fault(session)

    assert in_store(own.stack, fault) is None


def test_pages_of_accounts_and_audit_follow_each_other(own: Api):
    for number in range(3):
        add_person(own.stack, f"page{number}@example.id")
    for path in (USERS, "/api/v1/admin/audit"):
        seen: list[Any] = []
        cursor = ""
        while True:
            page = send(own, "GET", f"{path}?limit=2{cursor}", token=own.stack.tokens["admin"]).json()
            seen += [str(item) for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert len(seen) == len(set(seen)) >= 3


def test_ticket_is_redeemed_once(own: Api):
    add_person(own.stack, "socket@example.id")
    token = sign_in(own, "socket@example.id")["access_token"]
    issued = send(own, "POST", "/api/v1/ws/ticket", token=token)
    assert issued.status_code == 201 and issued.json()["expires_in"] == 30
    tickets = own.shared(Tickets)
    assert tickets.redeem(issued.json()["ticket"]).role is Role.USER
    assert tickets.redeem(issued.json()["ticket"]) is None
