"""An operator who is limited to regions sees their rows of the quarantine alone; others are 404."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest

from lakehouse.identity.roles import Role
from scripts.bench.api_lake import write
from serving_api.reads.snapshots import Snapshots
from tests.conftest import Broker
from tests.serving_api.test_trace import bronze_row
from tests.support.api import Api, new_stack
from tests.support.identity.people import add_person, send, sign_in
from tests.support.served_lake import NOW, alert, quarantined

ROWS = [
    quarantined(1, event_id="bandung", market_id="PASAR-001"),
    quarantined(2, event_id="elsewhere", market_id="PASAR-005"),
    quarantined(3, event_id="named", market_id=None, payload=b'{"region": "Jawa Barat"}'),
    quarantined(5, event_id="moved", market_id="PASAR-001", payload=b'{"market_id": "PASAR-001"}'),
    quarantined(4, event_id="nowhere", market_id=None, payload=b"\xff"),
]
PATH = "/api/v1/quarantine"
DECISION = {"decision": "reject", "reason": "not what was sent"}


@pytest.fixture(scope="module")
def desk(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, str]]:
    """The API, and the token of an operator of Jawa Barat."""
    stack = new_stack(tmp_path_factory.mktemp("regions"), broker)
    write(stack.lake_root, "silver.quarantine", ROWS)
    api = Api(stack)
    add_person(stack, "barat@example.id", Role.OPERATOR, ["32"])
    yield api, sign_in(api, "barat@example.id")["access_token"]
    api.stop()


def ids_of(response: Any) -> list[str]:
    return [item["event_id"] for item in response.json()["items"]]


def test_list_holds_own_rows_also_after_a_nation_wide_caller_has_filled_the_cache(desk: tuple[Api, str]):
    api, token = desk
    everything = send(api, "GET", PATH, token=api.stack.tokens["operator"])
    assert ids_of(everything) == ["bandung", "elsewhere", "named", "nowhere", "moved"]
    assert ids_of(send(api, "GET", PATH, token=token)) == ["bandung", "named", "moved"]
    assert ids_of(send(api, "GET", PATH, token=api.stack.tokens["operator"])) == ids_of(everything)


def test_foreign_row_is_404_and_cannot_be_decided(desk: tuple[Api, str]):
    api, token = desk
    assert send(api, "GET", f"{PATH}/bandung", token=token).status_code == 200
    for foreign in ("elsewhere", "nowhere"):
        assert send(api, "GET", f"{PATH}/{foreign}", token=token).status_code == 404
        assert send(api, "GET", f"{PATH}/{foreign}/decisions", token=token).status_code == 404
        assert send(api, "POST", f"{PATH}/{foreign}/decision", DECISION, token).status_code == 404
    body = {"event_ids": ["bandung", "elsewhere"], **DECISION}
    items = send(api, "POST", f"{PATH}/decisions", body, token).json()["items"]
    assert [item["status"] for item in items] == ["accepted", "not-found"]
    audit = send(api, "GET", "/api/v1/admin/audit?limit=1", token=api.stack.tokens["admin"]).json()["items"]
    assert (audit[0]["action"], audit[0]["object"]) == ("quarantine.reject", "bandung")


def test_numbers_and_holds_are_those_of_own_rows(desk: tuple[Api, str]):
    api, token = desk
    everything = send(api, "GET", f"{PATH}/summary", token=api.stack.tokens["operator"]).json()
    own = send(api, "GET", f"{PATH}/summary", token=token).json()
    assert [entry["market_id"] for entry in everything["by_market"]] == ["PASAR-001", "PASAR-005"]
    assert [entry["market_id"] for entry in own["by_market"]] == ["PASAR-001"]
    for numbers, rows in ((everything, 5), (own, 3)):
        assert numbers["open"] == rows == sum(day["arrived"] for day in numbers["by_day"])
        assert {entry["open"] for entry in numbers["by_rule"]} == {rows}
    assert send(api, "POST", f"{PATH}/elsewhere/hold", {}, token).status_code == 404
    assert send(api, "POST", f"{PATH}/named/hold", {}, token).status_code == 200


def test_alerts_are_raised_and_acknowledged_in_own_regions_alone(desk: tuple[Api, str]):
    api, token = desk
    for alert_id, code in (("al-own", "32"), ("al-foreign", "35")):
        write(api.stack.lake_root, "gold.alerts", [alert(alert_id, timedelta(), region_code=code)])
    api.shared(Snapshots).refresh()
    statuses = [
        send(api, "POST", f"/api/v1/alerts/{alert_id}/acknowledge", {}, token).status_code
        for alert_id in ("al-own", "al-foreign")
    ]
    assert statuses == [202, 404]
    raised = {"commodity": "garam", "level": "siaga", "message": "gudang kosong"}
    bodies = ({**raised, "region": "32"}, {**raised, "region": "35"}, raised)
    assert [send(api, "POST", "/api/alerts/trigger", body, token).status_code for body in bodies] == [
        202,
        403,
        403,
    ]


OWN = {"market_id": "PASAR-001", "commodity": "garam", "price": 11500.0}
FAR = OWN | {"market_id": "PASAR-005"}
STOCK = {"entity_id": "g-1", "entity_type": "warehouse", "commodity": "garam", "quantity_kg": 5.0}
WAY = {"route_id": "r-1", "commodity": "garam", "quantity_kg": 5.0, "origin": "Jawa Timur"}
POST = {"post_id": "p-1", "source": "news", "text": "harga garam naik"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/ingest", OWN, 202),
        ("/ingest", FAR, 403),
        ("/ingest", OWN | {"region": "Jawa Timur"}, 403),
        ("/ingest", OWN | {"market_id": "PASAR-X"}, 403),
        ("/ingest", OWN | {"market_id": "PASAR-X", "region": "Jawa Timur"}, 403),
        ("/ingest", OWN | {"market_id": "PASAR-X", "region": "Jawa Barat"}, 202),
        ("/ingest", {"market_id": "PASAR-005", "temperature_c": 28.5}, 403),
        ("/ingest", OWN | {"price": -1}, 422),
        ("/api/v1/ingest/price", FAR, 403),
        ("/api/v1/ingest/stock", STOCK, 403),
        ("/api/v1/ingest/stock", STOCK | {"region": "32"}, 202),
        ("/api/v1/ingest/stock", STOCK | {"region": "35"}, 403),
        ("/api/v1/ingest/shipment", WAY | {"destination": "Jawa Barat"}, 202),
        ("/api/v1/ingest/shipment", WAY | {"destination": "Bali"}, 403),
        ("/api/v1/ingest/post", POST, 202),
        ("/api/blockchain/append", OWN, 202),
        ("/api/blockchain/append", FAR, 403),
        ("/api/validation/price/check", FAR, 403),
    ],
)
def test_events_are_sent_for_own_regions_alone(
    desk: tuple[Api, str], path: str, body: dict[str, Any], status: int
):
    api, token = desk
    response = send(api, "POST", path, body, token)
    assert response.status_code == status, response.text
    if status == 403:
        assert [error["code"] for error in response.json()["errors"]] == ["region_not_own"]
        nation = send(api, "POST", path, body, api.stack.tokens["operator"])
        assert nation.status_code in (200, 202), nation.text


def test_foreign_events_of_a_batch_are_refused_one_by_one(desk: tuple[Api, str]):
    api, token = desk
    items = send(api, "POST", "/ingest", [OWN, FAR], token).json()["items"]
    assert [item["status"] for item in items] == ["accepted", "rejected"]
    assert items[1]["errors"] == [{"pointer": "/market_id", "code": "region_not_own"}]


def test_correction_into_a_foreign_region_is_refused(desk: tuple[Api, str]):
    api, token = desk
    path = f"{PATH}/moved/decision"
    decision = {"decision": "correct", "reason": "the market was wrong"}
    for correction in ({"market_id": "PASAR-005"}, {"region": "35"}, {"market_id": "PASAR-Y"}):
        refused = send(api, "POST", path, decision | {"correction": correction}, token)
        assert refused.status_code == 403, refused.text
        assert [error["code"] for error in refused.json()["errors"]] == ["region_not_own"]
    own = send(api, "POST", path, decision | {"correction": {"market_id": "PROV-32"}}, token)
    assert own.status_code == 202, own.text


def test_status_of_a_foreign_event_is_404(desk: tuple[Api, str]):
    api, token = desk
    rows = [("e-own", OWN), ("e-far", FAR)]
    at = NOW - timedelta(minutes=1)
    events = [
        bronze_row(event_id, number) | {"value": orjson.dumps(body), "received_at": at, "ingested_at": at}
        for number, (event_id, body) in enumerate(rows)
    ]
    write(api.stack.lake_root, "bronze.events", events)
    api.shared(Snapshots).refresh()
    statuses = [send(api, "GET", f"/api/v1/events/{name}", token=token).status_code for name, _ in rows]
    assert statuses == [200, 404]
    send(api, "POST", "/ingest", FAR | {"event_id": "e-pending"}, api.stack.tokens["operator"])
    assert send(api, "GET", "/api/v1/events/e-pending", token=token).status_code == 404
    send(api, "POST", "/ingest", OWN | {"event_id": "e-sent"}, token)
    assert send(api, "GET", "/api/v1/events/e-sent", token=token).status_code == 200
