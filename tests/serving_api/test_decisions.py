"""Decisions of operators: each is an event, the first one wins, the state of its row follows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from lakehouse.event import faults
from scripts.bench.api_lake import write
from tests.conftest import Broker, headers_of
from tests.serving_api.test_answers import ids
from tests.support.api import Api, answered, is_signed, new_stack, pages
from tests.support.served_lake import NOW, decision, quarantined

TOPIC = "lumbung.decision"
EVIDENCE = {"price_idr": 5, "median_60d": 11000, "n": 40}
BROKEN = [{"rule": "payload_json", "severity": "error", "message": "payload is not one JSON object"}]
ROWS = [
    quarantined(0, event_id="open-1", evidence=orjson.dumps(EVIDENCE).decode(), suggestion='{"price": 5000}'),
    *(quarantined(number, event_id=f"many-{number}") for number in range(1, 5)),
    quarantined(5, event_id="twice", kind="sensor", topic="lumbung.sensor"),
    quarantined(5, event_id="twice", quarantined_at=NOW - timedelta(hours=34)),
    quarantined(10, event_id="released"),
    quarantined(11, event_id="corrected"),
    quarantined(12, event_id="rejected"),
    quarantined(13, event_id="again"),
    quarantined(13, event_id="again", generation=1, quarantined_at=NOW - timedelta(hours=80)),
    *(quarantined(number, event_id=f"race-{number}") for number in range(20, 24)),
    *(quarantined(number, event_id=f"broken-{number}", reasons=BROKEN) for number in (30, 31)),
]
BY_NAME = {row["event_id"]: row for row in reversed(ROWS)}
DECIDED = [
    decision(1, BY_NAME["released"], "released", "silver"),
    decision(2, BY_NAME["corrected"], "corrected", "silver"),
    decision(3, BY_NAME["rejected"], "rejected", "closed"),
    decision(4, BY_NAME["again"], "released", "quarantine"),
]
REJECT = {"decision": "reject", "reason": "the device was tested"}


@pytest.fixture(scope="module")
def desk(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """An API over quarantined rows, some of them decided."""
    stack = new_stack(tmp_path_factory.mktemp("desk"), broker)
    write(stack.lake_root, "silver.quarantine", ROWS)
    write(stack.lake_root, "silver.decisions", [decided for decided, _ in DECIDED])
    write(stack.lake_root, "gold.reviews", [review for _, review in DECIDED])
    running = Api(stack)
    yield running
    running.stop()


def decide(api: Api, event_id: str, body: dict[str, Any], role: str | None = "operator", **more: Any) -> Any:
    headers = {"Content-Type": "application/json", **more}
    return api.request(
        "POST", f"/api/v1/quarantine/{event_id}/decision", role, content=orjson.dumps(body), headers=headers
    )


def test_decision_is_an_event_that_names_its_row(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    response = decide(
        desk,
        "open-1",
        {"decision": "correct", "reason": " a zero is missing ", "correction": {"price": 50000}},
    )
    receipt = response.json()
    assert response.status_code == 202 and (receipt["kinds"], receipt["status"]) == (["decision"], "accepted")
    (record,) = broker.records(since, TOPIC, 1)
    payload, row = orjson.loads(record.value()), BY_NAME["open-1"]
    assert faults(payload, ["decision"]) == [], "valid by the contract of decisions"
    assert (
        record.key() == b"open-1"
        and headers_of(record)["event_id"] == payload["event_id"] == receipt["decision_id"]
    )
    assert {
        name: payload[name] for name in payload if name not in ("event_id", "event_time", "quarantined_at")
    } == {
        "target_event_id": "open-1",
        "target_kind": "price",
        "target_record": f"lumbung.price:0:{row['offset']}",
        "generation": 0,
        "decision": "correct",
        "reason": "a zero is missing",
        "correction": {"price": 50000},
        "decided_by": "operator",
    }
    assert is_signed(record, desk.stack.home)
    assert payload["quarantined_at"][:19] == f"{row['quarantined_at']:%Y-%m-%dT%H:%M:%S}"
    again = decide(desk, "open-1", REJECT, "central")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-decided"), (
        "before any table shows it"
    )
    (item,) = desk.get("/api/v1/quarantine/open-1/decisions", "operator").json()["items"]
    assert (item["outcome"], item["decision_id"], item["decided_by"]) == (
        "pending",
        receipt["decision_id"],
        "operator",
    )
    assert not broker.records(since, TOPIC, 1)[1:]


def test_first_of_two_concurrent_decisions_wins(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    for number in range(20, 24):
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(decide, desk, f"race-{number}", REJECT, role) for role in ("operator", "central")
            ]
        assert sorted(future.result().status_code for future in both) == [202, 409]
    assert len(broker.records(since, TOPIC, 4)) == 4


def test_bulk_decision_decides_each_event_by_itself(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    event_ids = ["many-1", "many-2", "none", "rejected", "many-1", "again"]
    body = {"event_ids": event_ids, "decision": "release", "reason": "checked by telephone"}
    response = desk.post("/api/v1/quarantine/decisions", orjson.dumps(body), "central")
    items = response.json()["items"]
    assert response.status_code == 202 and [item["event_id"] for item in items] == event_ids
    statuses = [item["status"] for item in items]
    assert statuses == ["accepted", "accepted", "not-found", "already-decided", "already-decided", "accepted"]
    sent = {item["decision_id"] for item in items if item["status"] == "accepted"}
    records = broker.records(since, TOPIC, 3)
    assert {orjson.loads(record.value())["event_id"] for record in records} == sent
    generations = {record.key(): orjson.loads(record.value())["generation"] for record in records}
    assert generations[b"again"] == 1, "the row that failed again is decided, not the one decided before"


def test_state_of_rows_follows_their_decisions(desk: Api) -> None:
    path = "/api/v1/quarantine?from=2000-01-01"
    for state, expected in (
        ("released", ["released", "again"]),
        ("corrected", ["corrected"]),
        ("rejected", ["rejected"]),
    ):
        assert ids(desk, f"{path}&state={state}", "operator") == expected
    everything = desk.get(path, "operator").json()["items"]
    states = {(item["event_id"], item["generation"]): item["state"] for item in everything}
    assert (states["again", 0], states["again", 1], states["released", 0]) == ("released", "open", "released")
    assert ids(desk, f"{path}&state=open&limit=3", "operator") == [
        item["event_id"] for item in everything if item["state"] == "open"
    ]
    assert {"silver.quarantine", "gold.reviews"} == desk.get(path, "operator").json()["meta"][
        "delta_version"
    ].keys()


def test_item_has_evidence_suggestion_and_decisions(desk: Api) -> None:
    item = desk.get("/api/v1/quarantine/open-1", "operator").json()
    assert item["evidence"] == EVIDENCE and item["suggestion"] == {"price": 5000}
    item = desk.get("/api/v1/quarantine/corrected", "operator").json()
    assert (item["state"], item["evidence"], item["suggestion"]) == ("corrected", None, None)
    assert [(row["decision_id"], row["decision"], row["outcome"]) for row in item["decisions"]] == [
        ("d-2", "correct", "silver")
    ]
    assert desk.get("/api/v1/quarantine/again", "operator").json()["generation"] == 1


def test_decisions_are_listed_by_pages(desk: Api) -> None:
    decisions = pages(desk, "/api/v1/quarantine/again/decisions?limit=1", "operator")
    assert decisions[-1]["decision_id"] == "d-4" and decisions[-1]["outcome"] == "quarantine"
    assert desk.get("/api/v1/quarantine/many-4/decisions", "operator").json()["items"] == []
    assert desk.get("/api/v1/quarantine/none/decisions", "operator").status_code == 404


def test_event_id_quarantined_twice_is_decided_row_by_row(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    assert [decide(desk, "twice", REJECT).status_code for _ in range(3)] == [202, 202, 409]
    records = {orjson.loads(record.value())["target_record"] for record in broker.records(since, TOPIC, 2)}
    assert records == {"lumbung.sensor:0:95", "lumbung.price:0:95"}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"decision": "release"}, 422, "/reason"),
        ({"decision": "release", "reason": "abcd"}, 422, "/reason"),
        ({"decision": "release", "reason": "   a     "}, 422, "/reason"),
        ({"decision": "release", "reason": "x" * 501}, 422, "/reason"),
        ({"decision": "forgive", "reason": "because"}, 422, "/decision"),
        ({"decision": "correct", "reason": "because"}, 422, ""),
        ({"decision": "correct", "reason": "because", "correction": {}}, 422, "/correction"),
        ({"decision": "release", "reason": "because", "correction": {"price": 1}}, 422, ""),
        (
            {"decision": "correct", "reason": "because", "correction": {"event_id": "other"}},
            422,
            "/correction/event_id",
        ),
        (
            {"decision": "correct", "reason": "because", "correction": {"price": "5"}},
            422,
            "/correction/price",
        ),
        ({"decision": "correct", "reason": "because", "correction": {"prise": 5}}, 422, "/correction/prise"),
        ({"decision": "release", "reason": "because", "decided_by": "somebody"}, 422, "/decided_by"),
        ([], 422, ""),
    ],
)
def test_invalid_decision_is_refused(desk: Api, body: Any, status: int, pointer: str) -> None:
    response = decide(desk, "many-4", body)
    assert (response.status_code, response.json()["type"]) == (status, "/problems/validation"), response.text
    assert pointer in [error["pointer"] for error in response.json()["errors"]]


def test_caller_is_refused_before_the_body_is_read(desk: Api) -> None:
    path = "/api/v1/quarantine/none/decision"
    large = b'{"a":"' + b"x" * 70_000 + b'"}'
    assert desk.post(path, large, None, "text/csv").status_code == 401
    assert desk.post(path, b"{", "user").status_code == desk.post(path, b"{", "device").status_code == 403
    assert desk.post(path, large, "operator", "text/csv").status_code == 413
    assert desk.post(path, b"{}", "operator", "text/csv").status_code == 415
    assert desk.post(path, b"{}", "operator", "application/x-ndjson").status_code == 415
    assert desk.post(path, b"{").json()["type"] == "/problems/malformed-body"
    assert desk.post(path + "?x=1", orjson.dumps(REJECT)).status_code == 422
    assert desk.post(path, b"{}").status_code == 422
    assert decide(desk, "none", REJECT).json()["type"] == "/problems/not-found"
    assert decide(desk, "released", REJECT, **{"Accept-Language": "id"}).json()["title"] == "Sudah diputuskan"
    assert desk.get(path, "operator").status_code == 405


def test_nothing_is_decided_while_kafka_is_unavailable(broker: Broker, tmp_path: Path) -> None:
    stack = new_stack(tmp_path, broker, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1")
    write(stack.lake_root, "silver.quarantine", [quarantined(0)])
    own = Api(stack)
    try:
        own.post("/ingest", b'{"market_id":"PASAR-001","commodity":"garam","price":11500}')
        with broker.halted():
            with ThreadPoolExecutor(2) as pool:
                both = [pool.submit(decide, own, "q0", REJECT) for _ in range(2)]
            assert [future.result().status_code for future in both] == [503, 503], (
                "neither is reported as decided"
            )
        assert answered(lambda: decide(own, "q0", REJECT)).status_code == 202
        assert decide(own, "q0", REJECT).status_code == 409
    finally:
        own.stop()


def test_release_of_an_event_that_cannot_be_read_is_refused_at_once(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    release = {"decision": "release", "reason": "it was seen on the spot"}
    refused = decide(desk, "broken-30", release)
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (409, "/problems/not-releasable")
    assert "payload is not one JSON object" in problem["detail"]
    body = orjson.dumps(release | {"event_ids": ["broken-31"]})
    (item,) = desk.post("/api/v1/quarantine/decisions", body, "operator").json()["items"]
    assert (item["status"], item["reason"]) == ("not-releasable", BROKEN[0]["message"])
    assert not broker.records(since, TOPIC, 0)
    assert decide(desk, "broken-30", REJECT).status_code == 202
