"""Every address with somebody's object in it: others get 404, as for an object that does not exist."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.alerts.personal import PersonalMessage
from lakehouse.identity.roles import Role
from lakehouse.io import backtest_page, personal_jobs
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.devices import Devices
from lakehouse.io.identity.personal_messages import add_messages
from lakehouse.io.identity.tables import Device
from lakehouse.io.identity.tokens import TokenSigner
from scripts.bench.api_lake import write
from tests.conftest import Broker
from tests.lakehouse.trading.made_bars import COIN
from tests.serving_api.identity.test_rights import OPERATIONS
from tests.serving_api.trading.test_own_jobs import BACKTEST, EXPERIMENT
from tests.support.api import Api, new_stack
from tests.support.identity.people import PASSWORD, add_person, in_store, send, sign_in
from tests.support.served_lake import alert, quarantined
from tests.support.trading.lake_of_bars import write_coin

FAR = "PASAR-005"  # not in Jawa Barat
OF_NOBODY = {  # the role alone decides, see test_rights.py
    "PATCH /api/v1/admin/users/{user_id}",
    "GET /api/v1/models/jobs/{job_id}",
    "POST /api/v1/ingest/{kind}",
    "PUT /api/v1/change-levels/{commodity}",
}
WITH_OBJECT = [
    address
    for address, operation in OPERATIONS.items()
    if "{" in address and operation["x-requires"] != "anybody" and address not in OF_NOBODY
]
REPORT = "GET /api/v1/backtests/{backtest_id}/report.html"  # of one that has ended
BODIES = {"decision": {"decision": "reject", "reason": "not what was sent"}}


@dataclass(frozen=True)
class Owned:
    """An object, the token of who may act on it, and the one of somebody of the same role."""

    name: str
    owner: str
    stranger: str


@pytest.fixture(scope="module")
def desk(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("foreign"), broker)
    steps = enumerate(address for address in WITH_OBJECT if "/quarantine/" in address)
    rows = [quarantined(nth, event_id=far_id(address), market_id=FAR) for nth, address in steps]
    write(stack.lake_root, "silver.quarantine", rows)
    write(stack.lake_root, "gold.alerts", [alert("al-far", timedelta(), region_code="35")])
    write_coin(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owned(desk: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Owned]]:
    """Address -> an object of its kind."""
    built = tmp_path_factory.mktemp("built")
    for name in ("report.js", "report.css"):
        (built / name).touch()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backtest_page, "BUILT", built)
        event = {"GET /api/v1/events/{event_id}": sent_event(desk)}
        yield regional_objects(desk) | personal_objects(desk) | event


def regional_objects(desk: Api) -> dict[str, Owned]:
    """Objects of another province than the stranger's."""
    add_person(desk.stack, "barat@example.id", Role.OPERATOR, ["32"])
    nation, stranger = desk.stack.tokens["operator"], sign_in(desk, "barat@example.id")["access_token"]
    owned = {"POST /api/v1/alerts/{alert_id}/acknowledge": Owned("al-far", nation, stranger)}
    for address in OPERATIONS:
        if "/quarantine/{event_id}" in address:
            owned[address] = Owned(far_id(address), nation, stranger)
        elif "/devices/{device_id}" in address:
            name = far_id(address)
            by = None if address.endswith("/approve") else "test"
            in_store(desk.stack, lambda store, each=(name, by): registered(store, *each))
            owned[address] = Owned(name, nation, stranger)
    return owned


def far_id(address: str) -> str:
    """The id of an object for this address alone, which may change it."""
    return f"FAR-{WITH_OBJECT.index(address)}"


async def registered(database: Database, name: str, by: str | None) -> None:
    await Devices(database).register(name, FAR, "operator", by)


def personal_objects(desk: Api) -> dict[str, Owned]:
    """Objects of one person; the stranger is another one."""
    person = add_person(desk.stack, "own@example.id")
    add_person(desk.stack, "other@example.id")
    own, other = (sign_in(desk, f"{name}@example.id")["access_token"] for name in ("own", "other"))
    notice = PersonalMessage("m1" + person[:30], "price", "COIN above 1", "It costs 2.", owner=person)
    in_store(desk.stack, lambda store: add_messages(store, [notice], datetime.now(UTC)))
    (listed,) = send(desk, "GET", "/api/v1/notifications", token=own).json()["items"]
    created = {
        "GET /api/v1/backtests/{backtest_id}": ("/api/v1/backtests", BACKTEST),
        "GET /api/v1/backtests/{backtest_id}/trades": ("/api/v1/backtests", BACKTEST),
        REPORT: ("/api/v1/backtests", BACKTEST),
        "GET /api/v1/lab/experiments/{experiment_id}": ("/api/v1/lab/experiments", EXPERIMENT),
        "DELETE /api/v1/users/me/alerts/{alert_id}": (
            "/api/v1/users/me/alerts",
            {"symbol": COIN.symbol, "condition": "above", "value": 1e9},
        ),
        "DELETE /api/v1/users/me/keys/{key_id}": (
            "/api/v1/users/me/keys",
            {"name": "k", "scopes": ["read"], "password": PASSWORD},
        ),
    }
    owned = {"POST /api/v1/notifications/{notification_id}/read": Owned(listed["id"], own, other)}
    for address, (path, body) in created.items():
        item = send(desk, "POST", path, body, own).json()
        owned[address] = Owned(str(item.get("id") or item["key_id"]), own, other)
    with desk._environment.entered():
        personal_jobs.succeed(owned[REPORT].name, {"verdict": "none", "report": {"unknown": []}}, None)
    return owned


def sent_event(desk: Api) -> Owned:
    """An event of one device; the stranger is another device of the same market."""

    async def register(database: Database) -> None:
        async with database.writing() as session:
            for name in ("NEAR-1", "NEAR-2"):
                row = {"device_id": name, "market_id": "PASAR-001", "role": "operator", "status": "active"}
                session.add(Device(**row, secret_generation=0, created_at=datetime.now(UTC)))

    in_store(desk.stack, register)
    signer = desk.shared(TokenSigner)
    own, other = (signer.sign(name, "operator", "device", 600, "0") for name in ("NEAR-1", "NEAR-2"))
    event = {"event_id": "own-event", "commodity": "garam", "price": 11500}
    assert send(desk, "POST", "/ingest", event, own).status_code == 202
    return Owned("own-event", own, other)


def answer(desk: Api, address: str, name: str, token: str) -> Any:
    """The answer to a valid request about the object."""
    method, path = address.split(" ")
    begin, end = path.index("{"), path.index("}") + 1
    body = BODIES.get(path.rpartition("/")[2], {}) if method == "POST" else None
    return send(desk, method, path[:begin] + name + path[end:], body, token)


@pytest.mark.parametrize("address", WITH_OBJECT)
def test_object_of_another_is_answered_like_one_that_does_not_exist(
    desk: Api, owned: dict[str, Owned], address: str
) -> None:
    given = owned[address]
    foreign = answer(desk, address, given.name, given.stranger)
    absent = answer(desk, address, "NONE-1", given.stranger)
    assert (foreign.status_code, foreign.json()["type"]) == (404, absent.json()["type"])
    assert answer(desk, address, given.name, given.owner).status_code < 300, "it is there"
