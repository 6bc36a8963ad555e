"""What became of an event: its newest arrival, wherever it stands, without reading the whole lake."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conf.settings import settings
from scripts.bench.api_lake import write
from serving_api import trace
from serving_api.gold import Gold
from serving_api.reviews import Reviews
from tests.conftest import Broker
from tests.serving_api.conftest import NOW, Api, decision, doubtful, stack_on

DONE, UNDER_WAY = NOW - timedelta(minutes=10), NOW - timedelta(minutes=1)


def arrived(event_id: str, offset: int, kind: str = "price", source: str = "mqtt:DEV-1", ago: int = 10) -> dict[str, Any]:
    """A row of bronze.events, taken up `ago` minutes ago."""
    at = NOW - timedelta(minutes=ago)
    return {
        "topic": f"lumbung.{kind}", "partition": 0, "offset": offset, "event_id": event_id, "kind": kind, "source": source,
        "received_at": at - timedelta(seconds=1), "ingested_at": at, "ingest_date": at.date(), "value": b"{}",
    }  # fmt: skip


def landed(event: dict[str, Any], warnings: list[str] | None = None, later: int = 0) -> dict[str, Any]:
    """The silver row of an arrival, put there `later` minutes after it."""
    at = event["ingested_at"] + timedelta(minutes=later)
    kept = {name: event[name] for name in ("topic", "partition", "offset", "event_id", "source", "received_at")}
    return {**kept, "event_time": at, "ingested_at": at, "market_month": f"{at:%Y-%m}", "_warnings": warnings or []}


def refused(event: dict[str, Any]) -> dict[str, Any]:
    """The row of silver.quarantine of an arrival."""
    kept = {name: event[name] for name in ("topic", "partition", "offset", "event_id", "kind", "source", "received_at")}
    return doubtful(0, **kept) | {"quarantined_at": event["ingested_at"], "ingest_date": event["ingested_at"].date()}


GOOD = arrived("good", 1)
BOTH = [arrived("both", 2), arrived("both", 2, "sensor")]
BAD, FREED, DROPPED = arrived("bad", 3), arrived("freed", 4), arrived("dropped", 5)
REPEATED = [arrived("repeated", 6, ago=60), arrived("repeated", 7), arrived("repeated", 8)]
WITHIN = [arrived("within", 9), arrived("within", 10)]
NEW, OWN = arrived("new", 11, ago=1), arrived("own", 12, source="api:central")
BRONZE = [GOOD, *BOTH, BAD, FREED, DROPPED, *REPEATED, *WITHIN, NEW, OWN]
REVIEWS = [
    decision(1, refused(FREED), "released", "silver", ingested_at=DONE + timedelta(minutes=5))[1],
    decision(2, refused(DROPPED), "rejected", "closed")[1],
]


def fill(root: str) -> None:
    """One arrival of each fate; the batch of `new` is not yet counted."""
    for event in BRONZE:
        write(root, "bronze.events", [event])
    silver = [
        landed(GOOD, ["event_time_missing"]),
        landed(BOTH[0]),
        landed(FREED, ["price_in_band"], 5),
        landed(REPEATED[0], ["w"]),
        landed(WITHIN[0]),
        landed(OWN),
    ]
    write(root, "silver.prices", silver)
    write(root, "silver.quarantine", [refused(one) for one in (BAD, FREED, DROPPED, BOTH[1])])
    write(root, "gold.reviews", REVIEWS)
    books = {"stream_id": "s", "batch_id": 1, "kind": "price", "rows_in": 1, "silver": 1, "quarantine": 0, "duplicates": 0}
    write(root, "gold.balance", [books | {"ingested_at": DONE + timedelta(minutes=5)}])


@pytest.fixture(scope="module")
def traced(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    stack = stack_on(broker, tmp_path_factory.mktemp("traced"))
    fill(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("event_id", "status", "kinds", "table", "warnings"),
    [
        ("good", "silver", ["price"], "silver.prices", ["event_time_missing"]),
        ("bad", "quarantine", ["price"], "silver.quarantine", []),
        ("both", "quarantine", ["price", "sensor"], "silver.quarantine", []),
        ("freed", "silver", ["price"], "silver.prices", ["price_in_band"]),
        ("dropped", "quarantine", ["price"], "silver.quarantine", []),
        ("repeated", "duplicate", ["price"], "silver.prices", ["w"]),
        ("within", "duplicate", ["price"], "silver.prices", []),
        ("new", "pending", ["price"], None, []),
    ],
)
def test_what_became_of_it(
    traced: Api, event_id: str, status: str, kinds: list[str], table: str | None, warnings: list[str]
) -> None:
    told = traced.get(f"/api/v1/events/{event_id}", "operator").json()
    assert (told["status"], told["kinds"], told["table"], told["warnings"]) == (status, kinds, table, warnings)
    assert told["received_at"].endswith("Z") and "bronze.events" in told["meta"]["delta_version"]


def test_what_was_just_sent_is_pending(traced: Api) -> None:
    body = b'{"market_id":"PASAR-001","commodity":"garam","price":11500,"crowd_count":3,"event_id":"just-sent"}'
    assert traced.post("/ingest", body, "device").status_code == 202
    told = traced.get("/api/v1/events/just-sent", "device").json()
    assert (told["status"], told["kinds"], told["table"]) == ("pending", ["price", "sensor"], None)


def test_who_may_ask(traced: Api) -> None:
    asked = {role: traced.get("/api/v1/events/own", role).status_code for role in (None, "user", "device", "operator", "admin")}
    assert asked == {None: 401, "user": 403, "device": 404, "operator": 200, "admin": 200}
    assert traced.get("/api/v1/events/good", "device").status_code == 200
    missing = traced.get("/api/v1/events/none", "operator")
    assert missing.json()["type"] == "/problems/not-found" and missing.json()["searched_events"] == len(BRONZE)
    assert traced.get("/api/v1/events/good?x=1", "operator").status_code == 422
    assert traced.ask("POST", "/api/v1/events/good").status_code == 405


def test_a_recent_event_costs_the_newest_files_and_an_unknown_one_no_more_than_the_bound(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older files are gone: nobody who asks for a new event notices."""
    monkeypatch.setattr(trace, "FIRST_EVENTS", 2)
    monkeypatch.setattr(settings().api, "trace_events", 6)
    root = settings().lake_root
    for number in range(40, 0, -1):
        write(root, "bronze.events", [arrived(f"e{number}", number, ago=number)])
        if number == 20:
            for file in (home / "lake" / "bronze" / "events").rglob("*.parquet"):
                file.unlink()
    write(root, "silver.prices", [landed(arrived("e1", 1, ago=1))])
    write(root, "gold.balance", [{"kind": "price", "ingested_at": NOW}])

    def find(event_id: str) -> tuple[str | None, int]:
        gold = Gold()
        one = trace.Trace(gold, Reviews(gold))
        found = one.find(event_id)
        return found.status if found else None, one.searched_events

    assert find("e1") == ("silver", 2)
    assert find("none") == (None, 2)
