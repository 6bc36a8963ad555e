"""Series statistics and day close over a lake as the stream leaves it; without Spark, which writes the same tables."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.event import Event, faults
from lakehouse.gold.series_stats import series_stats
from lakehouse.validation.prices import PriceValidator
from streaming_jobs import day_close_job
from streaming_jobs.day_close_job import DayClose
from streaming_jobs.delta_sink import append_arrow, create_tables, empty_table, mark_of, open_table
from streaming_jobs.series_stats_job import SeriesStats
from tests.validation.price_rows import CODES, knobs, row, table

DAYS = 45
BATCH = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PriceValidator]:
    """Tables, and the validator of the stream that fills them."""
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path))
    settings.cache_clear()
    create_tables()
    yield PriceValidator(knobs())
    monkeypatch.undo()
    settings.cache_clear()


def append(name: str, rows: Sequence[dict]) -> None:
    """Rows of a table, what is not given null."""
    schema = arrow_schema(contracts()[name])
    filled = [{column: one.get(column) for column in schema.names} for one in rows]
    append_arrow(pa.Table.from_pylist(filled, schema=schema), contracts()[name], "{}")


def batch(validator: PriceValidator, rows: list[dict], nth: int) -> list[dict]:
    """One micro-batch: silver, verdicts, quarantine and balance. Returns the refused rows."""
    time = BATCH + timedelta(minutes=nth)
    rows = [{**one, "ingested_at": time} for one in rows]
    judged = table(rows)
    every = np.ones(judged.num_rows, dtype=bool)
    judgement = validator.judge(judged, every, ~every)
    append_arrow(judgement.verdicts, contracts()["silver.price_verdicts"], "{}")
    stopped = [one == "quarantine" for one in judgement.verdicts["outcome"].to_pylist()]
    landed = [{**one, "market_month": f"{one['market_date']:%Y-%m}"} for one, no in zip(rows, stopped, strict=True) if not no]
    append("silver.prices", landed)
    refused = []
    for at in np.flatnonzero(stopped).tolist():
        reasons = [
            {"rule": name, "severity": "error", "message": judgement.message(name, at)}
            for name, flags in judgement.violated.items()
            if flags[at]
        ]
        place = {"topic": "lumbung.price", "partition": 0, "offset": 1000 * nth + at, "generation": 0, "kind": "price"}
        refused.append({**rows[at], **place, "reasons": reasons, "quarantined_at": time, "ingest_date": time.date()})
    append("silver.quarantine", refused)
    append("gold.balance", [{"stream_id": "s", "batch_id": nth, "kind": "price", "silver": len(landed), "ingested_at": time}])
    return refused


def quiet(first: int, stop: int, codes: Sequence[str] = CODES) -> list[dict]:
    return [row(day, code, 30_000.0 + 10 * ((day + int(code)) % 4)) for day in range(first, stop) for code in codes]


def shock(day: int, size: float, codes: Sequence[str]) -> list[dict]:
    return [row(day, code, 30_000 * size if code in codes else 30_000.0) for code in CODES]


def test_series_stats_equal_those_of_all_silver_rows(lake: PriceValidator):
    job = SeriesStats()
    job.refresh()
    assert open_table("gold.series_stats").to_pyarrow_table().num_rows == 0
    batch(lake, quiet(0, 30), 1)
    job.refresh()
    batch(lake, quiet(30, DAYS) + shock(DAYS, 1.4, CODES[:1]), 2)
    job.refresh()
    again = PriceValidator(knobs())
    again.load(open_table("silver.prices").to_pyarrow_table())
    found = open_table("gold.series_stats")
    expected = series_stats(again, set())
    assert sorted(found.to_pyarrow_table().to_pylist(), key=str) == sorted(expected.to_pylist(), key=str)
    assert len(CODES) == expected.num_rows and mark_of(found) == BATCH + timedelta(minutes=2)
    version = found.version()
    job.refresh()
    SeriesStats().refresh()  # another process finds nothing to do beyond writing what is there
    assert open_table("gold.series_stats").to_pyarrow_table().num_rows == len(CODES)
    assert open_table("gold.series_stats").version() <= version + 1


def test_series_stats_begin_anew_when_silver_was_emptied(lake: PriceValidator):
    job = SeriesStats()
    batch(lake, quiet(0, 40), 1)
    job.refresh()
    for name in ("silver.prices", "gold.balance", "silver.price_verdicts"):
        empty_table(contracts()[name])
    batch(PriceValidator(knobs()), quiet(0, 5, CODES[:2]), 0)
    job.refresh()
    assert {one["n"] for one in open_table("gold.series_stats").to_pyarrow_table().to_pylist()} == {5}


def test_a_series_refused_for_five_days_by_two_reporters_may_have_a_new_level(lake: PriceValidator):
    batch(lake, quiet(0, DAYS), 1)
    for nth in range(5):
        changed = [{**one, "device_id": f"d{nth % 2}"} for one in shock(DAYS + nth, 1.4, CODES[:1])]
        others = shock(DAYS + nth, 0.6, CODES[1:2])  # one reporter
        batch(lake, [changed[0], others[1]], 2 + nth)
    job = SeriesStats()
    job.refresh()
    rows = open_table("gold.series_stats").to_pyarrow_table().to_pylist()
    assert {one["market_id"] for one in rows if one["regime_candidate"]} == {f"PROV-{CODES[0]}"}


def test_the_close_of_a_day_releases_a_common_shock_once(lake: PriceValidator, monkeypatch: pytest.MonkeyPatch):
    sent: list[Event] = []
    monkeypatch.setattr(day_close_job, "acknowledged", lambda events: sent.extend(events) or True)
    batch(lake, quiet(0, DAYS), 1)
    refused = batch(lake, shock(DAYS, 1.3, CODES[:4]), 2)
    assert len(refused) == 4
    job = DayClose()
    job.refresh()
    assert not sent  # the day is still open
    batch(lake, [row(DAYS + 1, CODES[-1], 30_000.0)], 3)
    job.refresh()
    job.refresh()
    assert sorted(event.key for event in sent) == sorted(one["event_id"] for one in refused)
    for event in sent:
        payload = orjson.loads(event.value)
        assert faults(payload, ["decision"]) == []
        assert payload["decision"] == "release" and payload["decided_by"] == "system:day-close"
        assert payload["event_id"] == event.event_id and payload["target_record"].startswith("lumbung.price:0:2")
    first = {event.value for event in sent}
    sent.clear()
    DayClose().refresh()  # after a restart, before the stream has taken the decisions up: the very same events
    assert {event.value for event in sent} == first
    sent.clear()
    decided = [orjson.loads(value) for value in first]
    append("gold.reviews", [{"target_record": one["target_record"], "generation": 0, "ingested_at": BATCH} for one in decided])
    DayClose().refresh()
    assert not sent


def test_what_kafka_did_not_acknowledge_is_tried_again(lake: PriceValidator, monkeypatch: pytest.MonkeyPatch):
    tries: list[int] = []
    monkeypatch.setattr(day_close_job, "acknowledged", lambda events: tries.append(len(events)) or len(tries) > 1)
    batch(lake, quiet(0, DAYS), 1)
    batch(lake, shock(DAYS, 1.3, CODES[:4]) + [row(DAYS + 1, CODES[-1], 30_000.0)], 2)
    job = DayClose()
    for _ in range(3):
        job.refresh()
    assert tries == [4, 4]


def test_an_error_that_stands_alone_is_not_released(lake: PriceValidator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(day_close_job, "acknowledged", lambda events: pytest.fail(f"{len(events)} released"))
    batch(lake, quiet(0, DAYS), 1)
    alone = [row(DAYS, CODES[0], 45_000.0), row(DAYS, CODES[1], 300_000.0), *shock(DAYS, 1, ())[2:]]
    assert len(batch(lake, alone + [row(DAYS + 1, CODES[-1], 30_000.0)], 2)) == 2
    DayClose().refresh()
