"""The status of an event, from its newest arrival, without reading whole tables."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conf.settings import settings
from scripts.bench.api_lake import write
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.snapshots import Snapshots
from serving_api.routes import events
from tests.conftest import Broker
from tests.support.api import Api, new_stack
from tests.support.served_lake import NOW, decision, quarantined

ANYBODY = events.Senders(lambda source: False, only_own=False)
DONE = NOW - timedelta(minutes=10)


def bronze_row(
    event_id: str, offset: int, kind: str = "price", source: str = "mqtt:DEV-1", ago: int = 10
) -> dict[str, Any]:
    """A row of bronze.events, ingested `ago` minutes ago."""
    at = NOW - timedelta(minutes=ago)
    return {
        "topic": f"lumbung.{kind}",
        "partition": 0,
        "offset": offset,
        "event_id": event_id,
        "kind": kind,
        "source": source,
        "received_at": at - timedelta(seconds=1),
        "ingested_at": at,
        "ingest_date": at.date(),
        "value": b"{}",
    }


def silver_row(event: dict[str, Any], warnings: list[str] | None = None, later: int = 0) -> dict[str, Any]:
    """The silver row of an event, written `later` minutes after it."""
    at = event["ingested_at"] + timedelta(minutes=later)
    shared = {
        name: event[name] for name in ("topic", "partition", "offset", "event_id", "source", "received_at")
    }
    return {
        **shared,
        "event_time": at,
        "ingested_at": at,
        "market_month": f"{at:%Y-%m}",
        "_warnings": warnings or [],
    }


def quarantine_row(event: dict[str, Any]) -> dict[str, Any]:
    """The row of silver.quarantine of an event."""
    shared = {
        name: event[name]
        for name in ("topic", "partition", "offset", "event_id", "kind", "source", "received_at")
    }
    return quarantined(0, **shared) | {
        "quarantined_at": event["ingested_at"],
        "ingest_date": event["ingested_at"].date(),
    }


VALID = bronze_row("valid", 1)
BOTH = [bronze_row("both", 2), bronze_row("both", 2, "sensor")]
BAD = bronze_row("bad", 3)
FREED = bronze_row("freed", 4)
DROPPED = bronze_row("dropped", 5)
REPEATED = [bronze_row("repeated", 6, ago=60), bronze_row("repeated", 7), bronze_row("repeated", 8)]
WITHIN = [bronze_row("within", 9), bronze_row("within", 10)]
NEW, OWN = bronze_row("new", 11, ago=1), bronze_row("own", 12, source="api:central")
BRONZE = [VALID, *BOTH, BAD, FREED, DROPPED, *REPEATED, *WITHIN, NEW, OWN]
REVIEWS = [
    decision(1, quarantine_row(FREED), "released", "silver", ingested_at=DONE + timedelta(minutes=5))[1],
    decision(2, quarantine_row(DROPPED), "rejected", "closed")[1],
]


def fill(root: str) -> None:
    """One event for each status; the batch of `new` is not yet counted."""
    for event in BRONZE:
        write(root, "bronze.events", [event])
    silver = [
        silver_row(VALID, ["event_time_missing"]),
        silver_row(BOTH[0]),
        silver_row(FREED, ["price_in_band"], 5),
        silver_row(REPEATED[0], ["w"]),
        silver_row(WITHIN[0]),
        silver_row(OWN),
    ]
    write(root, "silver.prices", silver)
    write(root, "silver.quarantine", [quarantine_row(event) for event in (BAD, FREED, DROPPED, BOTH[1])])
    write(root, "gold.reviews", REVIEWS)
    counts = {
        "stream_id": "s",
        "batch_id": 1,
        "kind": "price",
        "rows_in": 1,
        "silver": 1,
        "quarantine": 0,
        "duplicates": 0,
    }
    write(root, "gold.balance", [counts | {"ingested_at": DONE + timedelta(minutes=5)}])


@pytest.fixture(scope="module")
def traced(broker: Broker, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    stack = new_stack(tmp_path_factory.mktemp("traced"), broker)
    fill(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("event_id", "status", "kinds", "table", "warnings"),
    [
        ("valid", "silver", ["price"], "silver.prices", ["event_time_missing"]),
        ("bad", "quarantine", ["price"], "silver.quarantine", []),
        ("both", "quarantine", ["price", "sensor"], "silver.quarantine", []),
        ("freed", "silver", ["price"], "silver.prices", ["price_in_band"]),
        ("dropped", "quarantine", ["price"], "silver.quarantine", []),
        ("repeated", "duplicate", ["price"], "silver.prices", ["w"]),
        ("within", "duplicate", ["price"], "silver.prices", []),
        ("new", "pending", ["price"], None, []),
    ],
)
def test_status_of_event(
    traced: Api, event_id: str, status: str, kinds: list[str], table: str | None, warnings: list[str]
) -> None:
    result = traced.get(f"/api/v1/events/{event_id}", "operator").json()
    assert (result["status"], result["kinds"], result["table"], result["warnings"]) == (
        status,
        kinds,
        table,
        warnings,
    )
    assert result["received_at"].endswith("Z") and "bronze.events" in result["meta"]["delta_version"]


def test_event_that_was_just_sent_is_pending(traced: Api) -> None:
    body = (
        b'{"market_id":"PASAR-001","commodity":"garam","price":11500,"crowd_count":3,"event_id":"just-sent"}'
    )
    assert traced.post("/ingest", body, "device").status_code == 202
    result = traced.get("/api/v1/events/just-sent", "device").json()
    assert (result["status"], result["kinds"], result["table"]) == ("pending", ["price", "sensor"], None)
    price_only = body.replace(b'"crowd_count":3,', b"")
    assert traced.post("/ingest", price_only, "central").status_code == 202
    kinds = {
        role: traced.get("/api/v1/events/just-sent", role).json()["kinds"] for role in ("device", "central")
    }
    assert kinds == {"device": ["price", "sensor"], "central": ["price"]}, "each sees its own"


def test_who_has_just_sent_an_id_does_not_see_the_event_that_another_sender_landed_under_it(
    traced: Api,
) -> None:
    body = b'{"market_id":"PASAR-001","commodity":"garam","price":11500,"event_id":"dropped"}'
    assert traced.post("/ingest", body, "central").status_code == 202
    roles = ("central", "device", "operator")
    statuses = {role: traced.get("/api/v1/events/dropped", role).json()["status"] for role in roles}
    assert statuses == {"central": "pending", "device": "quarantine", "operator": "quarantine"}


def test_event_is_visible_by_role_and_source(traced: Api) -> None:
    statuses = {
        role: traced.get("/api/v1/events/own", role).status_code
        for role in (None, "user", "device", "operator", "admin")
    }
    assert statuses == {None: 401, "user": 403, "device": 404, "operator": 200, "admin": 200}
    assert traced.get("/api/v1/events/valid", "device").status_code == 200
    missing = traced.get("/api/v1/events/none", "operator")
    assert missing.json()["type"] == "/problems/not-found" and missing.json()["searched_events"] == len(
        BRONZE
    )
    assert traced.get("/api/v1/events/valid?x=1", "operator").status_code == 422
    assert traced.request("POST", "/api/v1/events/valid").status_code == 405


def test_recent_event_reads_the_newest_files_and_unknown_event_no_more_than_the_bound(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older files are missing; the look-up of a recent event does not read them."""
    monkeypatch.setattr(events, "FIRST_EVENTS", 2)
    monkeypatch.setattr(settings().api, "trace_events", 6)
    root = settings().lake_root
    for number in range(40, 0, -1):
        write(root, "bronze.events", [bronze_row(f"e{number}", number, ago=number)])
        if number == 20:
            for file in (home / "lake" / "bronze" / "events").rglob("*.parquet"):
                file.unlink()
    write(root, "silver.prices", [silver_row(bronze_row("e1", 1, ago=1))])
    write(root, "gold.balance", [{"kind": "price", "ingested_at": NOW}])

    def find(event_id: str) -> tuple[str | None, int]:
        snapshots = Snapshots()
        lookup = events.EventLookup(snapshots, ReviewReader(snapshots), ANYBODY)
        status = lookup.find(event_id, False, lambda: None)
        return status.status if status else None, lookup.searched_events

    assert find("e1") == ("silver", 2)
    assert find("none") == (None, 2)


SHARED = [bronze_row("s", 1, source="mqtt:STRANGER"), bronze_row("s", 2), bronze_row("s", 3)]
SENDERS = {
    "operator": ANYBODY,
    "sending operator": events.Senders(lambda source: source == "mqtt:DEV-1", only_own=False),
}
SHARED_LATER = [bronze_row("s", 4, source="mqtt:STRANGER", ago=5), bronze_row("s", 5, source="api:x", ago=4)]


@pytest.mark.parametrize(
    ("event_id", "caller", "expected"),
    [
        ("s", "operator", ("quarantine", [], {"api:x"}, 5)),
        ("s", "mqtt:DEV-1", ("duplicate", ["own"], {"mqtt:DEV-1"}, 3)),
        ("s", "mqtt:STRANGER", ("duplicate", ["first"], {"mqtt:STRANGER"}, 4)),
        ("s@DEV-1", "operator", ("duplicate", ["own"], {"mqtt:DEV-1"}, 3)),
        ("s@STRANGER", "operator", ("duplicate", ["first"], {"mqtt:STRANGER"}, 4)),
        ("s@x", "operator", ("quarantine", [], {"api:x"}, 5)),
        ("s@DEV-1", "mqtt:STRANGER", None),
        ("s", "sending operator", ("duplicate", ["own"], {"mqtt:DEV-1"}, 3)),
        ("s@x", "sending operator", ("quarantine", [], {"api:x"}, 5)),
        ("s@", "operator", None),
        ("s", "mqtt:DEV-2", None),
    ],
)
def test_id_of_several_senders_has_the_status_of_one_of_them(
    home: Path, event_id: str, caller: str, expected: tuple[Any, ...] | None
) -> None:
    root = settings().lake_root
    write(root, "bronze.events", [*SHARED, *SHARED_LATER])
    first, own = silver_row(SHARED[0], ["first"]), silver_row(SHARED[1], ["own"])
    write(root, "silver.prices", [first, own | {"event_id": "s@DEV-1"}])
    write(root, "silver.quarantine", [quarantine_row(SHARED_LATER[1]) | {"event_id": "s@x"}])
    write(root, "gold.balance", [{"kind": "price", "ingested_at": NOW}])
    snapshots = Snapshots()
    senders = SENDERS.get(caller) or events.Senders(lambda source: source == caller, only_own=True)
    lookup = events.EventLookup(snapshots, ReviewReader(snapshots), senders)
    status = lookup.find(event_id, False, lambda: None)
    seen = status and (status.status, status.warnings, set(status.sources), status.newest["offset"])
    assert seen == expected
    assert status is None or lookup.names_in(status) == {}


def test_look_up_of_an_unknown_or_old_event_is_an_expensive_request(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FIRST_EVENTS", 1)
    knobs = {"LUMBUNG_LIMITS__ENFORCED": "true", "LUMBUNG_LIMITS__EXPENSIVE_PER_MINUTE": "2"}
    stack = new_stack(tmp_path, broker, **knobs)
    fill(stack.lake_root)
    limited = Api(stack)

    def look_up(event_id: str, role: str = "operator") -> int:
        response = limited.get(f"/api/v1/events/{event_id}", role)
        is_counted = '"expensive";q=2;w=60' in response.headers["ratelimit-policy"]
        assert is_counted is (event_id != "new"), event_id
        return response.status_code

    try:
        assert [look_up(event_id) for event_id in ("new", "new", "new")] == [200] * 3
        assert [look_up(event_id) for event_id in ("none", "repeated", "none")] == [404, 200, 429]
        assert look_up("new") == 200 and look_up("none", "device") == 404, "each caller has its own"
    finally:
        limited.stop()
