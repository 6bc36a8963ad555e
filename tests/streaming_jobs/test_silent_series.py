"""gold.silent_series against a recomputation in plain Python, for any cut into batches, and simple cases."""

import random
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest

from lakehouse.io.delta import open_table, read_rows
from lakehouse.silence import TotalSilence, total_silence
from streaming_jobs.gold import driver, silent_series
from streaming_jobs.gold.silent_series import SilentSeries
from tests.support.written_lake import finish, write

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


pytestmark = pytest.mark.usefixtures("lake")


def event(series: str, time: datetime, source: str = "mqtt:D", kind: str = "device") -> dict[str, Any]:
    names = {"device": "device_id_hash", "market": "market_id"}
    return {
        "series_kind": kind,
        names[kind]: series,
        "event_time": time,
        "source": source,
        "region_code": "31",
    }


def batch(time: datetime, events: list[dict[str, Any]]) -> None:
    for kind, table in (("device", "silver.sensors"), ("market", "silver.prices")):
        rows = [record for record in events if record["series_kind"] == kind]
        if rows:
            local = {id(record): record["event_time"] + 7 * HOUR for record in rows}
            write(
                table,
                [
                    {**record, "ingested_at": time, "market_month": f"{local[id(record)]:%Y-%m}"}
                    for record in rows
                ],
            )
    finish(time)


def series_rows() -> dict[tuple[str, bool], dict[str, Any]]:
    rows = open_table("gold.silent_series").to_pyarrow_table().to_pylist()
    assert len(rows) == len({(row["series_kind"], row["series_id"], row["replayed"]) for row in rows})
    return {(row["series_id"], row["replayed"]): row for row in rows}


def regular(series: str, last: datetime, every: timedelta, number: int, **more: Any) -> list[dict[str, Any]]:
    return [event(series, last - nth * every, **more) for nth in range(number)]


@pytest.mark.parametrize(
    ("waited", "silent"), [(timedelta(minutes=45), False), (timedelta(minutes=46), True)]
)
def test_device_of_a_reading_a_minute_is_silent_after_45_minutes(waited: timedelta, silent: bool):
    """The cadence is at least 15 minutes; a series is silent after three of them."""
    last = NOW - waited
    batch(NOW, regular("d", last, MINUTE, 3 * 1440))
    SilentSeries().refresh()
    row = series_rows()["d", False]
    assert (row["cadence_seconds"], row["silent"], row["provisional"]) == (900, silent, False)
    assert row["silent_seconds"] == waited.total_seconds()
    assert row["since"] == (last + timedelta(minutes=45) if silent else None)


def test_market_of_a_price_a_day_is_silent_after_three_days():
    """After three days without a price it is not yet silent, after four it is."""
    batch(
        NOW,
        regular("m", NOW - 3 * DAY, DAY, 20, kind="market")
        + regular("n", NOW - 4 * DAY, DAY, 20, kind="market"),
    )
    SilentSeries().refresh()
    assert {key[0]: (row["cadence_seconds"], row["silent"]) for key, row in series_rows().items()} == {
        "m": (86400, False), "n": (86400, True),
    }  # fmt: skip


def test_two_events_give_no_cadence():
    batch(NOW, regular("d", NOW - 5 * DAY, HOUR, 2))
    SilentSeries().refresh()
    row = series_rows()["d", False]
    assert row["cadence_seconds"] is None and row["silent"] is False and row["provisional"]


def test_no_device_is_silent_while_nothing_arrives():
    """The clock is that of the lake: a stopped pipeline makes no device silent."""
    batch(NOW, regular("d", NOW - MINUTE, MINUTE, 100))
    SilentSeries().refresh()
    version = open_table("gold.silent_series").version()
    SilentSeries().refresh()
    assert open_table("gold.silent_series").version() == version
    batch(NOW + DAY, [event("e", NOW + DAY)])
    SilentSeries().refresh()
    assert series_rows()["d", False]["silent"] and not series_rows()["e", False]["silent"]


def test_silence_of_all_series_shows_against_a_clock_outside_the_lake():
    """The lake sees no batch then. A file that has ended and a new device do not count."""
    assert total_silence([], NOW) is None
    batch(NOW, [*regular("d", NOW - MINUTE, MINUTE, 100), *regular("m", NOW, DAY, 9, kind="market")])
    batch(NOW, [*regular("r", NOW - 9 * DAY, DAY, 9, source="file:rice.csv#1"), event("new", NOW)])
    SilentSeries().refresh()
    rows = list(series_rows().values())
    assert not any(row["silent"] for row in rows if not row["replayed"])
    assert total_silence(rows, NOW + 3 * DAY) is None, "the market is not silent yet"
    assert total_silence(rows, NOW + 3 * DAY + MINUTE) == TotalSilence(NOW, 2, NOW + 3 * DAY)
    one_more = [*rows, {"replayed": False, "last_event_time": NOW - MINUTE, "cadence_seconds": 900}]
    assert total_silence(one_more, NOW + 45 * MINUTE) is None
    assert total_silence(one_more, NOW + 46 * MINUTE) == TotalSilence(NOW, 3, NOW + 45 * MINUTE)


def test_replayed_history_is_compared_with_its_own_end():
    """Two files of 2024 and 2025. In the first, one market stops ten days before the others."""
    end = datetime(2024, 9, 30, tzinfo=UTC)
    old = [*regular("a", end, DAY, 40, source="file:rice.csv#1", kind="market")]
    old += regular("b", end - 10 * DAY, DAY, 40, source="file:rice.csv#2", kind="market")
    newer = regular("c", end + 365 * DAY, DAY, 40, source="file:egg.csv#1", kind="market")
    batch(NOW, old + newer + regular("a", NOW - HOUR, HOUR, 100, kind="market"))
    SilentSeries().refresh()
    assert {key: row["silent"] for key, row in series_rows().items()} == {
        ("a", True): False, ("b", True): True, ("c", True): False, ("a", False): False,
    }  # fmt: skip
    assert (
        series_rows()["b", True]["clock"] == end and series_rows()["b", True]["clock_of"] == "file:rice.csv"
    )


def ended_silences() -> list[dict[str, Any]]:
    return sorted(read_rows("gold.silences").to_pylist(), key=lambda row: row["series_id"])


def test_silence_that_was_stated_is_kept_when_the_source_reports_again(monkeypatch: pytest.MonkeyPatch):
    """A backlog that fills the gap ends the silence too. Killed between two commits, it is kept once."""
    last = NOW - HOUR
    for series in ("back", "backlog", "dead"):
        batch(NOW - MINUTE, regular(series, last, MINUTE, 100))
    batch(NOW, regular("file", last - 30 * DAY, DAY, 40, source="file:a.csv#1"))
    SilentSeries().refresh()
    assert ended_silences() == [] and all(series_rows()[each, False]["silent"] for each in ("back", "dead"))
    batch(NOW + MINUTE, [event("other", NOW)])
    batch(NOW + 2 * MINUTE, [event("back", NOW + MINUTE), *regular("backlog", NOW + MINUTE, MINUTE, 60)])
    with monkeypatch.context() as patched:
        patched.setattr(driver, "replace_rows", fail)
        with pytest.raises(OSError):
            SilentSeries().refresh()
    batch(NOW + 3 * MINUTE, [event("back", NOW + 2 * MINUTE)])
    SilentSeries().refresh()
    expected = {"series_kind": "device", "region_code": "31", "last_event_time": last}
    expected |= {"since": last + timedelta(minutes=45), "ended_at": NOW + 2 * MINUTE}
    assert ended_silences() == [expected | {"series_id": "back"}, expected | {"series_id": "backlog"}]
    assert series_rows()["dead", False]["silent"]
    SilentSeries().refresh()
    assert len(ended_silences()) == 2


def fail(*_: Any, **__: Any) -> None:
    raise OSError("the disk is full")


def recomputed(events: list[dict[str, Any]], clock: datetime) -> dict[tuple[str, bool], dict[str, Any]]:
    """The contract in plain Python, from all events at once."""
    series: dict[tuple[str, bool], list[tuple[datetime, str]]] = {}
    for record in events:
        replayed = record["source"].startswith("file:")
        clock_of = record["source"].rpartition("#")[0] if replayed else "live"
        name = record["device_id_hash"] if record["series_kind"] == "device" else record["market_id"]
        series.setdefault((name, replayed), []).append((record["event_time"], clock_of))
    ends = {key: max(seen) for key, seen in series.items()}
    rows = {}
    for key, seen in series.items():
        last, clock_of = ends[key]
        midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
        times = sorted({time for time, _ in seen if time >= midnight - 28 * DAY})
        closed = [time for time in times if time < midnight]
        used = closed if len(closed) >= 3 else times
        gaps = [(later - earlier).total_seconds() for earlier, later in zip(used, used[1:], strict=False)]
        cadence = max(median(gaps), 900.0) if len(used) >= 3 else None
        of_clock = (
            max(end for (_, replayed), (end, whose) in ends.items() if replayed and whose == clock_of)
            if key[1]
            else clock
        )
        waited = max((of_clock - last).total_seconds(), 0.0)
        rows[key] = {
            "last_event_time": last, "clock_of": clock_of, "clock": of_clock, "events_28d": len(used),
            "provisional": len(closed) < 3, "cadence_seconds": cadence, "silent_seconds": waited,
            "silent": cadence is not None and waited > 3 * cadence,
        }  # fmt: skip
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_any_cut_into_batches_equals_a_recomputation(seed: int, monkeypatch: pytest.MonkeyPatch):
    """Devices and markets, live and replayed, some of them late by days; rounds after any of the batches."""
    monkeypatch.setattr(silent_series, "EVENTS_AT_ONCE", 50)
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []
    for number in range(6):
        kind = rng.choice(["device", "market"])
        every = rng.choice([7 * MINUTE, 50 * MINUTE, 8 * HOUR, DAY])
        source = rng.choice(["mqtt:D", "api:U", "file:a.csv#{}", "file:b.csv#{}"])
        for nth in range(rng.randint(1, 120)):
            time = NOW - rng.randint(0, 3) * HOUR - nth * every - rng.randint(0, 300) * timedelta(seconds=1)
            events.append(event(f"{kind}{number % 4}", time, source.format(nth), kind))
    if rng.random() < 0.5:
        events.sort(key=lambda record: record["event_time"] + rng.randint(0, 3) * DAY)
    else:
        rng.shuffle(events)
    job = SilentSeries()
    done = 0
    at = NOW
    while done < len(events):
        size = rng.choice([1, 5, 40, 200])
        at += MINUTE
        batch(at, events[done : done + size])
        done += size
        if rng.random() < 0.6 or done >= len(events):
            (job if rng.random() < 0.5 else SilentSeries()).refresh()
            expected = recomputed(events[:done], at)
            actual = {key: {name: row[name] for name in expected[key]} for key, row in series_rows().items()}
            assert actual == expected
