"""Who may call which address: every operation of the OpenAPI document, for every caller."""

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.identity.roles import Role
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, send, sign_in
from tests.support.openapi import SCHEMA

KEYS = ("read-key", "ingest-key")
CALLERS = ("anonymous", "device", "user", "operator", "central", "admin", *KEYS)
# Check of dependencies.py -> who passes it. Keys belong to an administrator.
PASS: dict[str, tuple[str, ...]] = {
    "anybody": CALLERS,
    "account_holder": ("user", "operator", "central", "admin"),
    "user": ("user", "operator", "central", "admin", "read-key"),
    "operator": ("operator", "central", "admin", "read-key"),
    "central": ("central", "admin", "read-key"),
    "admin": ("admin", "read-key"),
    "owner_or_operator": (
        "operator",
        "central",
        "admin",
        "read-key",
    ),  # the device here is none in particular
    "sender": ("device", "operator", "central", "admin", *KEYS),
}
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}
VALUES = {
    "commodity": "garam",
    "event_id": "q0",
    "job_id": "train-1",
    "kind": "price",
    "region": "Jawa Barat",
}


@pytest.fixture(scope="module")
def own(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("rights"), broker)
    running = Api(stack)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def tokens(own: Api) -> dict[str, str | None]:
    """A token of every caller; people have accounts."""
    known: dict[str, str | None] = {"anonymous": None, "device": own.stack.tokens["device"]}
    for role in (Role.USER, Role.OPERATOR, Role.CENTRAL, Role.ADMIN):
        add_person(own.stack, f"{role.label}@example.id", role)
        known[role.label] = sign_in(own, f"{role.label}@example.id")["access_token"]
    for name in KEYS:
        body = {"name": name, "scopes": [name.removesuffix("-key")], "password": PASSWORD}
        known[name] = send(own, "POST", "/api/v1/users/me/keys", body, known["admin"]).json()["key"]
    return known


def may(caller: str, method: str, check: str) -> bool:
    """By the table above; a key with the scope read only reads, one with ingest only sends."""
    if check == "sender" and caller in KEYS:
        return caller == ("read-key" if method == "GET" else "ingest-key")
    if caller == "read-key" and check != "anybody":
        return method == "GET" and caller in PASS[check]
    return caller in PASS[check]


def refusal(own: Api, method: str, path: str, token: str | None) -> int | None:
    """401, 403 or None. The request changes nothing: its body is no JSON, its query has no such parameter."""
    takes_body = method in ("POST", "PATCH", "PUT") or "requestBody" in OPERATIONS[f"{method} {path}"]
    for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        path = path.replace(f"{{{name}}}", VALUES.get(name, "none"))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if takes_body:
        headers["Content-Type"] = "application/json"
        status = own.request(method, path, headers=headers, content=b"{").status_code
    else:
        status = own.request(method, f"{path}?no_such_parameter=1", headers=headers).status_code
    return status if status in (401, 403) else None


@pytest.mark.parametrize("address", OPERATIONS)
def test_address_is_open_to_those_who_may_call_it_and_to_nobody_else(
    own: Api, tokens: dict[str, Any], address: str
) -> None:
    method, path = address.split(" ")
    check = OPERATIONS[address]["x-requires"]
    refusals = {caller: refusal(own, method, path, token) for caller, token in tokens.items()}
    expected = {
        caller: None if may(caller, method, check) else 401 if caller == "anonymous" else 403
        for caller in tokens
    }
    assert refusals == expected


def test_operations_that_document_a_refusal_name_who_may_call_them():
    """An operation that requires somebody declares the bearer, 401 and 403; any other one no bearer alone."""
    faults = [
        address
        for address, operation in OPERATIONS.items()
        if (operation["x-requires"] != "anybody") != (operation.get("security") == [{"bearer": []}])
        or (operation["x-requires"] != "anybody" and not {"401", "403"} <= operation["responses"].keys())
    ]
    assert faults == []
