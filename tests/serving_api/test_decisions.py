"""An operator decides: the decision becomes an event, the first one wins, and its row stands as the stream says."""

import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from lakehouse.event import faults
from scripts.bench.api_lake import write
from tests.conftest import Broker, headers_of
from tests.serving_api.conftest import NOW, Api, decision, doubtful, stack_on
from tests.serving_api.test_answers import ids

TOPIC = "lumbung.decision"
EVIDENCE = {"price_idr": 5, "median_60d": 11000, "n": 40}
ROWS = [
    doubtful(0, event_id="open-1", evidence=orjson.dumps(EVIDENCE).decode(), suggestion='{"price": 5000}'),
    *(doubtful(number, event_id=f"many-{number}") for number in range(1, 5)),
    doubtful(5, event_id="twice", kind="sensor", topic="lumbung.sensor"),
    doubtful(5, event_id="twice", quarantined_at=NOW - timedelta(hours=34)),
    doubtful(10, event_id="released"),
    doubtful(11, event_id="corrected"),
    doubtful(12, event_id="rejected"),
    doubtful(13, event_id="again"),
    doubtful(13, event_id="again", generation=1, quarantined_at=NOW - timedelta(hours=80)),
    *(doubtful(number, event_id=f"race-{number}") for number in range(20, 24)),
]  # fmt: skip
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
    stack = stack_on(broker, tmp_path_factory.mktemp("desk"))
    write(stack.lake_root, "silver.quarantine", ROWS)
    write(stack.lake_root, "silver.decisions", [taken for taken, _ in DECIDED])
    write(stack.lake_root, "gold.reviews", [shown for _, shown in DECIDED])
    running = Api(stack)
    yield running
    running.stop()


def decide(api: Api, event_id: str, body: dict[str, Any], role: str | None = "operator", **more: Any) -> Any:
    headers = {"Content-Type": "application/json", **more}
    return api.ask("POST", f"/api/v1/quarantine/{event_id}/decision", role, content=orjson.dumps(body), headers=headers)


def test_a_decision_is_an_event_with_the_row_it_means(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    answer = decide(desk, "open-1", {"decision": "correct", "reason": " a zero is missing ", "correction": {"price": 50000}})
    receipt = answer.json()
    assert answer.status_code == 202 and (receipt["kinds"], receipt["status"]) == (["decision"], "accepted")
    (record,) = broker.records(since, TOPIC, 1)
    said, row = orjson.loads(record.value()), BY_NAME["open-1"]
    assert faults(said, ["decision"]) == [], "as the contract of decisions has it"
    assert record.key() == b"open-1" and headers_of(record)["event_id"] == said["event_id"] == receipt["decision_id"]
    assert {name: said[name] for name in said if name not in ("event_id", "event_time", "quarantined_at")} == {
        "target_event_id": "open-1", "target_kind": "price", "target_record": f"lumbung.price:0:{row['offset']}", "generation": 0,
        "decision": "correct", "reason": "a zero is missing", "correction": {"price": 50000}, "decided_by": "operator",
    }  # fmt: skip
    assert said["quarantined_at"][:19] == f"{row['quarantined_at']:%Y-%m-%dT%H:%M:%S}"
    again = decide(desk, "open-1", REJECT, "central")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-decided"), "though no table shows it yet"
    (item,) = desk.get("/api/v1/quarantine/open-1/decisions", "operator").json()["items"]
    assert (item["outcome"], item["decision_id"], item["decided_by"]) == ("pending", receipt["decision_id"], "operator")
    assert not broker.records(since, TOPIC, 1, 2)[1:]


def test_of_two_operators_at_once_the_first_wins(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    for number in range(20, 24):
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(decide, desk, f"race-{number}", REJECT, role) for role in ("operator", "central")]
        assert sorted(one.result().status_code for one in both) == [202, 409]
    assert len(broker.records(since, TOPIC, 4, 3)) == 4


def test_many_at_once_each_by_itself(desk: Api, broker: Broker) -> None:
    since = broker.ends()
    asked = ["many-1", "many-2", "none", "rejected", "many-1", "again"]
    body = {"event_ids": asked, "decision": "release", "reason": "checked by telephone"}
    answer = desk.post("/api/v1/quarantine/decisions", orjson.dumps(body), "central")
    items = answer.json()["items"]
    assert answer.status_code == 202 and [item["event_id"] for item in items] == asked
    statuses = [item["status"] for item in items]
    assert statuses == ["accepted", "accepted", "not-found", "already-decided", "already-decided", "accepted"]
    sent = {item["decision_id"] for item in items if item["status"] == "accepted"}
    records = broker.records(since, TOPIC, 3, 3)
    assert {orjson.loads(record.value())["event_id"] for record in records} == sent
    generations = {record.key(): orjson.loads(record.value())["generation"] for record in records}
    assert generations[b"again"] == 1, "the row that failed again is meant, not the one decided before"


def test_rows_stand_as_they_were_decided(desk: Api) -> None:
    path = "/api/v1/quarantine?from=2000-01-01"
    for state, expected in (("released", ["released", "again"]), ("corrected", ["corrected"]), ("rejected", ["rejected"])):
        assert ids(desk, f"{path}&state={state}", "operator") == expected
    everything = desk.get(path, "operator").json()["items"]
    states = {(item["event_id"], item["generation"]): item["state"] for item in everything}
    assert (states["again", 0], states["again", 1], states["released", 0]) == ("released", "open", "released")
    assert ids(desk, f"{path}&state=open&limit=3", "operator") == [
        item["event_id"] for item in everything if item["state"] == "open"
    ]
    assert {"silver.quarantine", "gold.reviews"} == desk.get(path, "operator").json()["meta"]["delta_version"].keys()


def test_an_item_shows_evidence_suggestion_and_its_decisions(desk: Api) -> None:
    item = desk.get("/api/v1/quarantine/open-1", "operator").json()
    assert item["evidence"] == EVIDENCE and item["suggestion"] == {"price": 5000}
    item = desk.get("/api/v1/quarantine/corrected", "operator").json()
    assert (item["state"], item["evidence"], item["suggestion"]) == ("corrected", None, None)
    assert [(one["decision_id"], one["decision"], one["outcome"]) for one in item["decisions"]] == [("d-2", "correct", "silver")]
    assert desk.get("/api/v1/quarantine/again", "operator").json()["generation"] == 1


def test_decisions_of_a_row_by_pages(desk: Api) -> None:
    items = desk.get("/api/v1/quarantine/again/decisions?limit=1", "operator").json()
    found = [items["items"][0]]
    while items["next_cursor"]:
        items = desk.get(f"/api/v1/quarantine/again/decisions?limit=1&cursor={items['next_cursor']}", "operator").json()
        found += items["items"]
    assert found[-1]["decision_id"] == "d-4" and found[-1]["outcome"] == "quarantine"
    assert desk.get("/api/v1/quarantine/many-4/decisions", "operator").json()["items"] == []
    assert desk.get("/api/v1/quarantine/none/decisions", "operator").status_code == 404


def test_an_id_that_came_twice_is_decided_row_by_row(desk: Api, broker: Broker) -> None:
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
        ({"decision": "correct", "reason": "because", "correction": {"event_id": "other"}}, 422, "/correction/event_id"),
        ({"decision": "correct", "reason": "because", "correction": {"price": "5"}}, 422, "/correction/price"),
        ({"decision": "correct", "reason": "because", "correction": {"prise": 5}}, 422, "/correction/prise"),
        ({"decision": "release", "reason": "because", "decided_by": "somebody"}, 422, "/decided_by"),
        ([], 422, ""),
    ],
)  # fmt: skip
def test_decisions_that_are_none(desk: Api, body: Any, status: int, pointer: str) -> None:
    answer = decide(desk, "many-4", body)
    assert (answer.status_code, answer.json()["type"]) == (status, "/problems/validation"), answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_checks_come_in_the_order_of_the_contract(desk: Api) -> None:
    path = "/api/v1/quarantine/none/decision"
    large = b'{"a":"' + b"x" * 70_000 + b'"}'
    assert desk.post(path, large, None, "text/csv").status_code == 413
    assert desk.post(path, b"{", None, "text/csv").status_code == 415
    assert desk.post(path, b"{}", None, "application/x-ndjson").status_code == 415
    assert desk.post(path, b"{", None).status_code == 401
    assert desk.post(path, b"{", "user").status_code == desk.post(path, b"{", "device").status_code == 403
    assert desk.post(path, b"{").json()["type"] == "/problems/malformed-body"
    assert desk.post(path + "?x=1", orjson.dumps(REJECT)).status_code == 422
    assert desk.post(path, b"{}").status_code == 422
    assert decide(desk, "none", REJECT).json()["type"] == "/problems/not-found"
    assert decide(desk, "released", REJECT, **{"Accept-Language": "id"}).json()["title"] == "Sudah diputuskan"
    assert desk.get(path, "operator").status_code == 405


def test_when_kafka_is_away_nothing_is_decided(broker: Broker, tmp_path: Path) -> None:
    stack = stack_on(broker, tmp_path, LUMBUNG_KAFKA__ACKNOWLEDGE_TIMEOUT_SECONDS="1")
    write(stack.lake_root, "silver.quarantine", [doubtful(0)])
    own = Api(stack)
    try:
        own.post("/ingest", b'{"market_id":"PASAR-001","commodity":"garam","price":11500}')
        broker.process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(2) as pool:
                both = [pool.submit(decide, own, "q0", REJECT) for _ in range(2)]
            assert [one.result().status_code for one in both] == [503, 503], "neither is told that the other has decided"
        finally:
            broker.process.send_signal(signal.SIGCONT)
        assert [decide(own, "q0", REJECT).status_code for _ in range(2)] == [202, 409]
    finally:
        own.stop()
