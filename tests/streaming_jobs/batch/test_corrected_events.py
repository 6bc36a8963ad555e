"""A correction that changes the series is validated with that series' history, and is part of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pyarrow.compute as pc
import pytest

from lakehouse.contracts.contract import kinds
from lakehouse.event import series_key
from lakehouse.io.checkpoint import partition_counts
from lakehouse.times import rfc3339
from streaming_jobs.batch.corrected_events import moved_records
from streaming_jobs.batch.place import place_of_series
from streaming_jobs.batch.place_memory import PlaceMemory, forget_saved
from tests.streaming_jobs.conftest import NOW, Stream, rebuild_everything
from tests.streaming_jobs.test_reviews import decide

MARKET = "PASAR-001"
DAY_BEGIN = NOW.replace(hour=0, minute=0, second=0)
BAR_TIME = rfc3339(DAY_BEGIN - timedelta(days=3))
VALID: dict[str, dict[str, Any]] = {
    "price": {"market_id": MARKET, "commodity": "garam", "price": 11500},
    "sensor": {"market_id": MARKET, "temperature_c": 25.0},
    "stock": {"entity_id": "GUDANG-1", "entity_type": "warehouse", "commodity": "garam", "quantity_kg": 9},
    "bar": {
        **{"symbol": "AAPL", "asset_class": "equity", "interval": "1d", "bar_time": BAR_TIME},
        **{"open": 10, "high": 11, "low": 9, "close": 10, "volume": 5, "currency": "USD"},
    },
    "listing": {
        **{"ProductID": 1, "ProductName": "Cabai", "Category": "Food", "Price": 10, "Rating": 4},
        **{"NumReviews": 1, "StockQuantity": 1, "Discount": 0.1, "Sales": 1, "DateAdded": "2026-01-01"},
    },
}
# What a correction names, of each kind: candidates of which one has another partition.
SERIES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "price": ("commodity", ("Beras Medium", "Minyakita", "Cabai", "Daging Kerbau")),
    "sensor": ("market_id", tuple(f"PASAR-{number:03}" for number in range(2, 12))),
    "stock": ("entity_id", tuple(f"GUDANG-{number}" for number in range(2, 12))),
    "bar": ("symbol", ("msft", "Tsla", "nvda", "ibm", "orcl")),
    "listing": ("ProductID", tuple(range(2, 12))),
}
# What is refused in an event that is corrected; a bar follows the one before.
REFUSED = {"price": -5, "temperature_c": 99, "quantity_kg": -1, "low": 99, "Rating": 77}


def payload(event_id: str, kind: str, minute: int = 0, **more: object) -> bytes:
    time = rfc3339(NOW - timedelta(minutes=30 - minute))
    return orjson.dumps({"event_id": event_id, "event_time": time, **VALID[kind], **more})


def send(stream: Stream, event: bytes, kind: str) -> None:
    stream.send(event, kind=kind, key=series_key(kind, orjson.loads(event), "none"))


def elsewhere(kind: str) -> object:
    """A value with which the series of the kind's valid event is in another partition."""
    field, values = SERIES[kind]
    counts = partition_counts()
    place = (f"lumbung.{kind}", 0)
    own = place_of_series(place, VALID[kind], counts)
    return next(
        value for value in values if place_of_series(place, VALID[kind] | {field: value}, counts) != own
    )


def quarantined(stream: Stream, event_id: str) -> dict[str, Any]:
    rows = [row for row in stream.rows("silver.quarantine") if row["event_id"] == event_id]
    return max(rows, key=lambda row: row["generation"])


def correct(stream: Stream, event_id: str, **correction: object) -> None:
    decision = decide(quarantined(stream, event_id), "correct", correction=correction)
    stream.send(decision, kind="decision")
    stream.run()


def warnings_of(stream: Stream, event_id: str) -> list[str]:
    (row,) = [row for row in stream.rows("silver.sensors") if row["event_id"] == event_id]
    return row["_warnings"]


def from_the_file(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of Spark are other processes, and may read the tables too."""
    if stream.spark is None:
        monkeypatch.setattr(PlaceMemory, "catch_up", lambda memory, before: pytest.fail("it read the tables"))


def from_the_tables(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_saved()


@pytest.mark.parametrize("restore", [from_the_file, from_the_tables])
@pytest.mark.parametrize("generations", [1, 2])
def test_corrected_reading_is_compared_in_its_market_before_and_after_a_start(
    either: Stream,
    restore: Callable[[Stream, pytest.MonkeyPatch], None],
    generations: int,
    monkeypatch: pytest.MonkeyPatch,
):
    """Two generations: it is refused again as corrected, and then released."""
    send(either, payload("before", "sensor", 1), "sensor")
    send(either, payload("moved", "sensor", 2, market_id=elsewhere("sensor"), temperature_c=99), "sensor")
    either.run()
    if generations == 1:
        correct(either, "moved", market_id=MARKET, temperature_c=40.0)
    else:
        correct(either, "moved", market_id=MARKET)
        either.send(decide(quarantined(either, "moved"), "release"), kind="decision")
        either.run()
    assert {"temperature_jump", "corrected" if generations == 1 else "released"} <= set(
        warnings_of(either, "moved")
    )
    with monkeypatch.context() as patch:
        restore(either, patch)
        send(either, payload("after", "sensor", 3), "sensor")
        either.run()
    assert "temperature_jump" in warnings_of(either, "after")
    before = sorted(map(str, either.rows("silver.sensors")))
    rebuild_everything()
    assert sorted(map(str, either.rows("silver.sensors"))) == before


@pytest.mark.parametrize("kind", sorted(VALID))
def test_place_of_a_corrected_event_follows_from_its_row_of_silver(embedded: Stream, kind: str):
    field, _ = SERIES[kind]
    own = VALID[kind][field]
    wrong = {name: value for name, value in REFUSED.items() if name in VALID[kind]}
    later = {"bar_time": rfc3339(DAY_BEGIN - timedelta(days=2))} if kind == "bar" else {}
    send(embedded, payload("own", kind), kind)
    send(embedded, payload("moved", kind, **(wrong | later | {field: elsewhere(kind)})), kind)
    embedded.run()
    at = {
        row["event_id"]: ((row["topic"], row["partition"]), row["offset"])
        for row in embedded.rows("bronze.events")
    }
    correct(embedded, "moved", **({name: VALID[kind][name] for name in wrong} | {field: own}))
    (before, offset), (place, _) = at["moved"], at["own"]
    assert {row["event_id"] for row in embedded.rows(kinds()[kind].table)} == {"own", "moved"}
    assert before != place
    for either in (before, place):
        assert moved_records(either, pc.scalar(True)) == {(before, place): {offset}}
