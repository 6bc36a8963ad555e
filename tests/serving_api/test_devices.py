"""Devices over HTTP: registered, approved, claimed once, rotated and revoked; each sees itself alone."""

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx2
import orjson
import pytest
from sqlalchemy import update

from lakehouse.identity.roles import Role
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.tables import DeviceClaim
from lakehouse.reference import markets
from scripts.bench.api_lake import write
from tests.support.api import Api, new_stack, pages
from tests.support.identity import people
from tests.support.identity.people import add_person, sign_in

REGISTER = "/api/auth/device/register"
BALI = next(name for name, market in markets().items() if market.region_code == "51")
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, store_knobs: dict[str, str]) -> Iterator[Api]:
    knobs = {"LUMBUNG_IDENTITY__RIGHTS_SECONDS": "0", **store_knobs}
    stack = new_stack(tmp_path_factory.mktemp("devices") / "home", **knobs)
    hour = NOW.replace(minute=0, second=0)
    health = [
        ("HEALTHY", hour, 8, 1, NOW - timedelta(minutes=5)),
        ("HEALTHY", hour - timedelta(hours=5), 90, 1, NOW - timedelta(hours=5)),
        ("HEALTHY", hour - timedelta(days=40), 0, 900, NOW - timedelta(days=40)),
        ("HEALTHY", hour - timedelta(days=95), 0, 9000, NOW - timedelta(days=95)),
        ("GONE", hour - timedelta(days=4), 5, 0, NOW - timedelta(days=4)),
    ]
    names = ("device_id", "hour", "accepted", "quarantined", "last_event_time")
    write(stack.lake_root, "gold.device_health", [dict(zip(names, row, strict=True)) for row in health])
    running = Api(stack)
    yield running
    running.stop()


def send(api: Api, path: str, body: dict[str, Any], role: str | None = None, **more: Any) -> httpx2.Response:
    return api.post(path, orjson.dumps(body), role, **more)


def register(api: Api, device_id: str, by: str | None = "operator", **more: Any) -> httpx2.Response:
    return send(api, REGISTER, {"market_id": "PASAR-001", "device_id": device_id, **more}, by)


def claim(api: Api, device_id: str, code: str) -> httpx2.Response:
    return send(api, "/api/auth/device/claim", {"device_id": device_id, "claim_code": code})


def step(api: Api, device_id: str, name: str, role: str | None = "operator") -> httpx2.Response:
    return send(api, f"/api/v1/devices/{device_id}/{name}", {"reason": "a test"}, role)


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def see(api: Api, device_id: str, token: str) -> httpx2.Response:
    return api.get(f"/api/v1/devices/{device_id}", headers={"Authorization": f"Bearer {token}"})


def test_from_registration_by_anybody_to_a_token(api: Api):
    pending = register(api, "NEW-1", None)
    assert pending.status_code == 202
    body = pending.json()
    assert (body["status"], body["token"], body["role"]) == ("pending", None, "operator")
    assert base64.b64decode(body["qr_data_url"].partition(",")[2]).startswith(b"\x89PNG")
    assert unquote(body["qr_svg_data_url"]).startswith("data:image/svg+xml") and "</svg>" in unquote(
        body["qr_svg_data_url"]
    )
    assert problem(claim(api, "NEW-1", body["claim_code"])) == (401, "claim-invalid"), "not approved"
    assert step(api, "NEW-1", "approve").json()["status"] == "approved"
    assert problem(step(api, "NEW-1", "approve")) == (409, "wrong-state")
    claimed = claim(api, "NEW-1", body["claim_code"]).json()
    assert claimed["mqtt"]["username"] == "NEW-1"
    assert claimed["mqtt"]["topic_prefix"] == "lumbung/v1/PASAR-001/NEW-1"
    assert problem(claim(api, "NEW-1", body["claim_code"])) == (401, "claim-invalid"), "used"
    secret = {"device_id": "NEW-1", "secret": claimed["secret"]}
    token = send(api, "/api/auth/token", secret).json()
    assert token["role"] == "operator" and 0 < token["expires_in"] <= 86_400
    for bearer in (claimed["token"], token["token"]):
        assert see(api, "NEW-1", bearer).json()["status"] == "active"
    assert problem(send(api, "/api/auth/token", secret | {"secret": "wrong"})) == (401, "bad-credentials")
    assert problem(send(api, "/api/auth/token", {"device_id": "NO", "secret": "x"})) == (
        401,
        "bad-credentials",
    )


def test_second_registration_of_a_pending_device_is_refused(api: Api):
    first = register(api, "TWICE", None).json()
    stranger = register(api, "TWICE", None, market_id="PASAR-002")
    assert problem(stranger) == problem(register(api, "TWICE", "device")) == (409, "device-exists")
    waiting = api.get("/api/v1/devices/TWICE", "operator").json()
    assert (waiting["market_id"], waiting["registered_from"]) == ("PASAR-001", "127.0.0.1")
    assert step(api, "TWICE", "approve").status_code == 200
    assert claim(api, "TWICE", first["claim_code"]).status_code == 200, "the claim of the first one is valid"


def test_operator_of_the_region_replaces_a_pending_registration(api: Api):
    add_person(api.stack, "far@example.id", Role.OPERATOR, ["51"])
    token = sign_in(api, "far@example.id")["access_token"]
    first = register(api, "REPLACED", None).json()
    body = {"market_id": BALI, "device_id": "REPLACED"}
    assert problem(people.send(api, "POST", REGISTER, body, token)) == (409, "device-exists")
    assert register(api, "REPLACED").status_code == 201
    assert problem(register(api, "REPLACED")) == (409, "device-exists")
    assert problem(claim(api, "REPLACED", first["claim_code"])) == (401, "claim-invalid")


def test_approval_with_the_claim_code_of_another_registration_is_refused(api: Api):
    code = register(api, "SCANNED", None).json()["claim_code"]
    others = register(api, "SCANNED-2", None).json()["claim_code"]
    path = "/api/v1/devices/SCANNED/approve"
    for wrong in (others, "no code"):
        refused = send(api, path, {"claim_code": wrong}, "operator")
        assert problem(refused) == (422, "validation")
        assert refused.json()["errors"][0]["code"] == "claim_code_right"
    assert send(api, path, {"claim_code": code}, "operator").json()["status"] == "approved"


@pytest.mark.parametrize(
    ("body", "role", "expected"),
    [
        ({"device_id": "DEV/#"}, "operator", (422, "validation")),
        ({"device_id": "+"}, None, (422, "validation")),
        ({"device_id": "dev-1"}, None, (422, "validation")),
        ({"device_id": "DEV-1\n"}, None, (422, "validation")),
        ({"market_id": "PASAR-NOWHERE"}, "central", (422, "validation")),
        ({"role": "admin"}, "operator", (403, "role-too-high")),
        ({"role": "central"}, None, (403, "role-too-high")),
        ({"role": "device"}, "admin", (422, "validation")),
        ({"extra": 1}, "operator", (422, "validation")),
        ({"role": "central"}, "device", (403, "role-too-high")),
    ],
)
def test_faulty_registration_is_refused(
    api: Api, body: dict[str, Any], role: str | None, expected: tuple[int, str]
):
    given = {"market_id": "PASAR-001", "device_id": "FAULTY", **body}
    assert problem(send(api, REGISTER, given, role)) == expected


def test_of_many_who_claim_at_once_one_gets_the_secret(api: Api):
    code = register(api, "RACE").json()["claim_code"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: claim(api, "RACE", code), range(8)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1 and [answer.status_code for answer in answers].count(401) == 7
    assert send(api, "/api/auth/token", {"device_id": "RACE", "secret": won[0]["secret"]}).status_code == 200


def test_claim_ends_after_ten_minutes(api: Api):
    before = datetime.now(UTC)
    registered = register(api, "LATE").json()
    expires = datetime.fromisoformat(registered["claim_expires_at"])
    assert before <= expires - timedelta(minutes=10) <= datetime.now(UTC)

    async def let_it_expire() -> None:
        database = Database(api.stack.identity_url)
        async with database.writing() as session:
            old = datetime.now(UTC) - timedelta(seconds=1)
            await session.execute(
                update(DeviceClaim).where(DeviceClaim.device_id == "LATE").values(expires_at=old)
            )
        await database.close()

    asyncio.run(let_it_expire())
    assert problem(claim(api, "LATE", registered["claim_code"])) == (401, "claim-invalid")


def test_rotation_replaces_the_secret_when_it_is_claimed_and_revocation_ends_everything(api: Api):
    first = claim(api, "ROTATED", register(api, "ROTATED").json()["claim_code"]).json()
    rotated = step(api, "ROTATED", "rotate").json()
    assert see(api, "ROTATED", first["token"]).status_code == 200, "until the claim is used"
    second = claim(api, "ROTATED", rotated["claim_code"]).json()
    assert second["secret"] != first["secret"]
    assert problem(see(api, "ROTATED", first["token"])) == (401, "token-invalid")
    assert (
        problem(send(api, "/api/auth/token", {"device_id": "ROTATED", "secret": first["secret"]}))[0] == 401
    )
    assert see(api, "ROTATED", second["token"]).status_code == 200
    left = step(api, "ROTATED", "rotate").json()["claim_code"]
    assert step(api, "ROTATED", "revoke").json()["status"] == "revoked"
    assert problem(see(api, "ROTATED", second["token"])) == (401, "token-invalid")
    assert problem(claim(api, "ROTATED", left)) == (401, "claim-invalid")
    assert problem(step(api, "ROTATED", "rotate")) == (409, "wrong-state")
    assert problem(register(api, "ROTATED", None)) == (409, "device-exists")
    assert step(api, "ROTATED", "approve").json()["status"] == "approved"
    assert step(api, "ROTATED", "rotate").status_code == 200


def test_a_device_sees_itself_alone_and_opens_no_route_of_people(api: Api):
    token = register(api, "OWN").json()["token"]
    register(api, "OTHER")
    headers = {"Authorization": f"Bearer {token}"}
    assert see(api, "OWN", token).json()["device_id"] == "OWN"
    assert problem(see(api, "OTHER", token)) == (404, "not-found")
    assert problem(api.get("/api/v1/devices", headers=headers)) == (403, "forbidden")
    revoke = api.request("POST", "/api/v1/devices/OWN/revoke", json={}, headers=headers)
    assert problem(revoke) == (403, "forbidden")


def test_nobody_changes_a_device_of_a_higher_role(api: Api):
    assert register(api, "HIGH", "admin", role="central").status_code == 201
    for name in ("rotate", "revoke"):
        assert problem(step(api, "HIGH", name)) == (403, "role-too-high")
        assert problem(step(api, "HIGH", name, "user")) == (403, "forbidden")
        assert problem(step(api, "HIGH", name, None)) == (401, "unauthorized")
        assert problem(step(api, "NOT-THERE", name)) == (404, "not-found")
    assert step(api, "HIGH", "revoke", "central").status_code == 200


def test_list_shows_what_devices_sent_and_pages_through_filters(api: Api):
    for device_id in ("HEALTHY", "GONE", "QUIET"):
        register(api, device_id, market_id="PASAR-003")
    path = "/api/v1/devices?market_id=PASAR-003"
    items = {item["device_id"]: item for item in pages(api, f"{path}&limit=1", role="operator")}
    assert list(items) == ["QUIET", "GONE", "HEALTHY"], "newest first"
    healthy = items["HEALTHY"]
    assert (healthy["accepted_24h"], healthy["quarantined_24h"], healthy["silent"]) == (98, 2, False)
    assert healthy["trust_score"] == pytest.approx((1 + 98) / (2 + 98 + 902))
    assert items["GONE"]["silent"] and not items["QUIET"]["silent"]
    assert items["QUIET"]["trust_score"] is items["QUIET"]["last_event_time"] is None
    silent = pages(api, f"{path}&silent=true&limit=1", role="operator")
    assert [item["device_id"] for item in silent] == ["GONE"]
    assert pages(api, f"{path}&status=active", role="operator") == []
    assert problem(api.get("/api/v1/devices?status=lost", "operator")) == (422, "validation")
    assert problem(api.get("/api/v1/devices?market_id=NOWHERE", "operator")) == (404, "unknown-market")


def test_other_addresses_of_the_registration(api: Api):
    body = {"market_id": "PASAR-001", "device_id": "ALIAS"}
    assert send(api, "/api/public/device/register", body).status_code == 202
    moved = send(api, "/device/register", body)
    assert moved.status_code == 308 and moved.headers["Location"] == "/api/public/device/register"
