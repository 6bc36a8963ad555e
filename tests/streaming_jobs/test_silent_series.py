"""gold.silent_series against a recomputation in plain Python, over any cutting into batches, and cases to check by eye."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from conf.settings import settings
from streaming_jobs import silent_series_job
from streaming_jobs.delta_sink import create_tables, open_table
from streaming_jobs.silent_series_job import SilentSeries
from tests.streaming_jobs.written_lake import finish, write

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def event(series: str, time: datetime, source: str = "mqtt:D", kind: str = "device") -> dict[str, Any]:
    names = {"device": "device_id_hash", "market": "market_id"}
    return {"series_kind": kind, names[kind]: series, "event_time": time, "source": source, "region_code": "31"}


def batch(time: datetime, events: list[dict[str, Any]]) -> None:
    for kind, table in (("device", "silver.sensors"), ("market", "silver.prices")):
        rows = [one for one in events if one["series_kind"] == kind]
        if rows:
            local = {id(one): one["event_time"] + 7 * HOUR for one in rows}
            write(table, [{**one, "ingested_at": time, "market_month": f"{local[id(one)]:%Y-%m}"} for one in rows])
    finish(time)


def told() -> dict[tuple[str, bool], dict[str, Any]]:
    rows = open_table("gold.silent_series").to_pyarrow_table().to_pylist()
    assert len(rows) == len({(row["series_kind"], row["series_id"], row["replayed"]) for row in rows})
    return {(row["series_id"], row["replayed"]): row for row in rows}


def regular(series: str, last: datetime, every: timedelta, number: int, **more: Any) -> list[dict[str, Any]]:
    return [event(series, last - nth * every, **more) for nth in range(number)]


@pytest.mark.parametrize(("waited", "silent"), [(timedelta(minutes=45), False), (timedelta(minutes=46), True)])
def test_a_fast_device_is_silent_after_three_quarters_of_an_hour(waited: timedelta, silent: bool):
    """A reading a minute: the cadence is 15 minutes at least, three of them are 45."""
    last = NOW - waited
    batch(NOW, regular("d", last, MINUTE, 3 * 1440))
    SilentSeries().refresh()
    row = told()["d", False]
    assert (row["cadence_seconds"], row["silent"], row["provisional"]) == (900, silent, False)
    assert row["silent_seconds"] == waited.total_seconds()
    assert row["since"] == (last + timedelta(minutes=45) if silent else None)


def test_a_market_has_its_own_rhythm():
    """A price a day: silent after three days, though the device beside it is after three quarters of an hour."""
    batch(NOW, regular("m", NOW - 3 * DAY, DAY, 20, kind="market") + regular("n", NOW - 4 * DAY, DAY, 20, kind="market"))
    SilentSeries().refresh()
    assert {key[0]: (row["cadence_seconds"], row["silent"]) for key, row in told().items()} == {
        "m": (86400, False), "n": (86400, True),
    }  # fmt: skip


def test_two_events_have_no_rhythm():
    batch(NOW, regular("d", NOW - 5 * DAY, HOUR, 2))
    SilentSeries().refresh()
    row = told()["d", False]
    assert row["cadence_seconds"] is None and row["silent"] is False and row["provisional"]


def test_when_nothing_arrives_no_one_is_accused():
    """The wall clock goes on, the lake's does not: a stopped pipeline silences no device."""
    batch(NOW, regular("d", NOW - MINUTE, MINUTE, 100))
    SilentSeries().refresh()
    version = open_table("gold.silent_series").version()
    SilentSeries().refresh()
    assert open_table("gold.silent_series").version() == version
    batch(NOW + DAY, [event("e", NOW + DAY)])
    SilentSeries().refresh()
    assert told()["d", False]["silent"] and not told()["e", False]["silent"]


def test_replayed_history_is_held_against_its_own_end():
    """Two files of 2024 and 2025: of the first, one market stops ten days before the others; nobody is late by years."""
    end = datetime(2024, 9, 30, tzinfo=UTC)
    old = [*regular("a", end, DAY, 40, source="file:rice.csv#1", kind="market")]
    old += regular("b", end - 10 * DAY, DAY, 40, source="file:rice.csv#2", kind="market")
    newer = regular("c", end + 365 * DAY, DAY, 40, source="file:egg.csv#1", kind="market")
    batch(NOW, old + newer + regular("a", NOW - HOUR, HOUR, 100, kind="market"))
    SilentSeries().refresh()
    assert {key: row["silent"] for key, row in told().items()} == {
        ("a", True): False, ("b", True): True, ("c", True): False, ("a", False): False,
    }  # fmt: skip
    assert told()["b", True]["clock"] == end and told()["b", True]["clock_of"] == "file:rice.csv"


def recomputed(events: list[dict[str, Any]], clock: datetime) -> dict[tuple[str, bool], dict[str, Any]]:
    """The contract in plain Python, from all events at once."""
    series: dict[tuple[str, bool], list[tuple[datetime, str]]] = {}
    for one in events:
        replayed = one["source"].startswith("file:")
        clock_of = one["source"].rpartition("#")[0] if replayed else "live"
        name = one["device_id_hash"] if one["series_kind"] == "device" else one["market_id"]
        series.setdefault((name, replayed), []).append((one["event_time"], clock_of))
    ends = {key: max(found) for key, found in series.items()}
    rows = {}
    for key, found in series.items():
        last, clock_of = ends[key]
        midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
        times = sorted({time for time, _ in found if time >= midnight - 28 * DAY})
        closed = [time for time in times if time < midnight]
        used = closed if len(closed) >= 3 else times
        gaps = [(later - earlier).total_seconds() for earlier, later in zip(used, used[1:], strict=False)]
        cadence = max(median(gaps), 900.0) if len(used) >= 3 else None
        of_clock = max(end for (_, replayed), (end, whose) in ends.items() if replayed and whose == clock_of) if key[1] else clock
        waited = max((of_clock - last).total_seconds(), 0.0)
        rows[key] = {
            "last_event_time": last, "clock_of": clock_of, "clock": of_clock, "events_28d": len(used),
            "provisional": len(closed) < 3, "cadence_seconds": cadence, "silent_seconds": waited,
            "silent": cadence is not None and waited > 3 * cadence,
        }  # fmt: skip
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_any_cutting_equals_a_recomputation(seed: int, monkeypatch: pytest.MonkeyPatch):
    """Devices and markets, live and replayed, some of them late by days; rounds after any of the batches."""
    monkeypatch.setattr(silent_series_job, "EVENTS_AT_ONCE", 50)
    dice = random.Random(seed)
    events: list[dict[str, Any]] = []
    for number in range(6):
        kind = dice.choice(["device", "market"])
        every = dice.choice([7 * MINUTE, 50 * MINUTE, 8 * HOUR, DAY])
        source = dice.choice(["mqtt:D", "api:U", "file:a.csv#{}", "file:b.csv#{}"])
        for nth in range(dice.randint(1, 120)):
            time = NOW - dice.randint(0, 3) * HOUR - nth * every - dice.randint(0, 300) * timedelta(seconds=1)
            events.append(event(f"{kind}{number % 4}", time, source.format(nth), kind))
    if dice.random() < 0.5:
        events.sort(key=lambda one: one["event_time"] + dice.randint(0, 3) * DAY)
    else:
        dice.shuffle(events)
    job, done, at = SilentSeries(), 0, NOW
    while done < len(events):
        size = dice.choice([1, 5, 40, 200])
        at += MINUTE
        batch(at, events[done : done + size])
        done += size
        if dice.random() < 0.6 or done >= len(events):
            (job if dice.random() < 0.5 else SilentSeries()).refresh()
            expected = recomputed(events[:done], at)
            found = {key: {name: row[name] for name in expected[key]} for key, row in told().items()}
            assert found == expected
