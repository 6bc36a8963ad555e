"""Series statistics and day close over a lake written as the stream writes it, without Spark."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.event import Event, faults
from lakehouse.io.delta import append_rows, empty_table, high_water_mark, open_table
from lakehouse.io.signing_keys import signing_keys
from lakehouse.validation.prices.validator import PriceValidator
from streaming_jobs.gold import day_close
from streaming_jobs.gold.day_close import DayClose
from streaming_jobs.gold.series_stats import SeriesStats, series_stats
from tests.support.price_rows import CODES, knobs, row, table

DAYS = 45
BATCH = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def lake(lake: Path) -> PriceValidator:
    """The validator of the stream that fills the tables."""
    return PriceValidator(knobs())


def land(name: str, rows: Sequence[dict]) -> None:
    """Append rows to a table; missing columns are null."""
    schema = arrow_schema(contracts()[name])
    filled = [{column: price_row.get(column) for column in schema.names} for price_row in rows]
    append_rows(name, pa.Table.from_pylist(filled, schema=schema), "{}")


def batch(validator: PriceValidator, rows: list[dict], nth: int) -> list[dict]:
    """One micro-batch: silver, verdicts, quarantine and balance. Returns the refused rows.

    A row's place in Kafka gives the order of arrival: the files of a commit are read in any order.
    """
    time = BATCH + timedelta(minutes=nth)
    rows = [
        {**price_row, "ingested_at": time, "partition": 0, "offset": 1000 * nth + at}
        for at, price_row in enumerate(rows)
    ]
    batch_rows = table(rows)
    every = np.ones(batch_rows.num_rows, dtype=bool)
    judgement = validator.judge(batch_rows, every, ~every)
    append_rows("silver.price_verdicts", judgement.verdicts, "{}")
    stopped = [outcome == "quarantine" for outcome in judgement.verdicts["outcome"].to_pylist()]
    landed = [
        {**price_row, "market_month": f"{price_row['market_date']:%Y-%m}"}
        for price_row, is_refused in zip(rows, stopped, strict=True)
        if not is_refused
    ]
    land("silver.prices", landed)
    refused = []
    for at in np.flatnonzero(stopped).tolist():
        reasons = [
            {"rule": name, "severity": "error", "message": judgement.message(name, at)}
            for name, flags in judgement.violated.items()
            if flags[at]
        ]
        place = {"topic": "lumbung.price", "generation": 0, "kind": "price"}
        refused.append(
            {**rows[at], **place, "reasons": reasons, "quarantined_at": time, "ingest_date": time.date()}
        )
    land("silver.quarantine", refused)
    land(
        "gold.balance",
        [{"stream_id": "s", "batch_id": nth, "kind": "price", "silver": len(landed), "ingested_at": time}],
    )
    return refused


def quiet(first: int, stop: int, codes: Sequence[str] = CODES) -> list[dict]:
    return [
        row(day, code, 30_000.0 + 10 * ((day + int(code)) % 4))
        for day in range(first, stop)
        for code in codes
    ]


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
    stats = open_table("gold.series_stats")
    expected = series_stats(again, set())
    assert sorted(stats.to_pyarrow_table().to_pylist(), key=str) == sorted(expected.to_pylist(), key=str)
    assert len(CODES) == expected.num_rows and high_water_mark(stats) == BATCH + timedelta(minutes=2)
    version = stats.version()
    job.refresh()
    SeriesStats().refresh()  # another process writes the same rows at most
    assert open_table("gold.series_stats").to_pyarrow_table().num_rows == len(CODES)
    assert open_table("gold.series_stats").version() <= version + 1


def test_series_stats_start_again_when_silver_was_emptied(lake: PriceValidator):
    job = SeriesStats()
    batch(lake, quiet(0, 40), 1)
    job.refresh()
    for name in ("silver.prices", "gold.balance", "silver.price_verdicts"):
        empty_table(name)
    batch(PriceValidator(knobs()), quiet(0, 5, CODES[:2]), 0)
    job.refresh()
    assert {
        price_row["n"] for price_row in open_table("gold.series_stats").to_pyarrow_table().to_pylist()
    } == {5}


def test_series_refused_for_five_days_from_two_reporters_is_a_regime_candidate(lake: PriceValidator):
    batch(lake, quiet(0, DAYS), 1)
    for nth in range(5):
        changed = [
            {**price_row, "device_id": f"d{nth % 2}"} for price_row in shock(DAYS + nth, 1.4, CODES[:1])
        ]
        others = shock(DAYS + nth, 0.6, CODES[1:2])  # one reporter
        batch(lake, [changed[0], others[1]], 2 + nth)
    job = SeriesStats()
    job.refresh()
    rows = open_table("gold.series_stats").to_pyarrow_table().to_pylist()
    assert {price_row["market_id"] for price_row in rows if price_row["regime_candidate"]} == {
        f"PROV-{CODES[0]}"
    }


def test_day_close_releases_a_common_shock_once(lake: PriceValidator, monkeypatch: pytest.MonkeyPatch):
    sent: list[Event] = []
    monkeypatch.setattr(day_close, "acknowledged", lambda events: sent.extend(events) or True)
    batch(lake, quiet(0, DAYS), 1)
    refused = batch(lake, shock(DAYS, 1.3, CODES[:4]), 2)
    assert len(refused) == 4
    job = DayClose()
    job.refresh()
    assert not sent  # the day is still open
    batch(lake, [row(DAYS + 1, CODES[-1], 30_000.0)], 3)
    job.refresh()
    job.refresh()
    assert sorted(event.key for event in sent) == sorted(price_row["event_id"] for price_row in refused)
    for event in sent:
        assert signing_keys().verify(vars(event), event.signature, event.received_at)
        payload = orjson.loads(event.value)
        assert faults(payload, ["decision"]) == []
        assert payload["decision"] == "release" and payload["decided_by"] == "system:day-close"
        assert payload["event_id"] == event.event_id and payload["target_record"].startswith(
            "lumbung.price:0:2"
        )
    first = {event.value for event in sent}
    sent.clear()
    DayClose().refresh()  # after a restart, before the stream applied the decisions: the same events
    assert {event.value for event in sent} == first
    sent.clear()
    decided = [orjson.loads(value) for value in first]
    land(
        "gold.reviews",
        [
            {"target_record": price_row["target_record"], "generation": 0, "ingested_at": BATCH}
            for price_row in decided
        ],
    )
    DayClose().refresh()
    assert not sent


def test_unacknowledged_decisions_are_published_again(lake: PriceValidator, monkeypatch: pytest.MonkeyPatch):
    tries: list[int] = []
    monkeypatch.setattr(day_close, "acknowledged", lambda events: tries.append(len(events)) or len(tries) > 1)
    batch(lake, quiet(0, DAYS), 1)
    batch(lake, shock(DAYS, 1.3, CODES[:4]) + [row(DAYS + 1, CODES[-1], 30_000.0)], 2)
    job = DayClose()
    for _ in range(3):
        job.refresh()
    assert tries == [4, 4]


def test_isolated_error_is_not_released(lake: PriceValidator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(day_close, "acknowledged", lambda events: pytest.fail(f"{len(events)} released"))
    batch(lake, quiet(0, DAYS), 1)
    alone = [row(DAYS, CODES[0], 45_000.0), row(DAYS, CODES[1], 300_000.0), *shock(DAYS, 1, ())[2:]]
    assert len(batch(lake, alone + [row(DAYS + 1, CODES[-1], 30_000.0)], 2)) == 2
    DayClose().refresh()


def test_exchanged_columns_stay_and_a_step_to_the_level_of_a_sibling_is_released(
    lake: PriceValidator, monkeypatch: pytest.MonkeyPatch
):
    sent: list[str] = []
    monkeypatch.setattr(
        day_close, "acknowledged", lambda events: sent.extend(event.key for event in events) or True
    )
    names = ("cabai-rawit-merah", "cabai-merah-keriting")

    def prices(day: int, *levels: float) -> list[dict]:
        rows = zip(names, levels, strict=True)
        return [row(day, "32", level + 1_200 * (day % 2), 0, name) for name, level in rows]

    batch(lake, [price for day in range(DAYS) for price in prices(day, 60_000.0, 48_000.0)], 1)
    exchanged = prices(DAYS, 48_000.0, 60_000.0)
    # One partition after the other: the sibling of the first is not there yet.
    refused = [*batch(lake, exchanged[:1], 2), *batch(lake, exchanged[1:], 3)]
    alone = batch(lake, prices(DAYS + 1, 48_000.0, 48_000.0), 4)
    assert [price_row["reasons"][0]["rule"] for price_row in refused + alone] == ["sibling_price"] * 3
    batch(lake, prices(DAYS + 2, 60_000.0, 48_000.0), 5)
    DayClose().refresh()
    assert sent == [alone[0]["event_id"]]


def test_level_that_lasts_is_released_with_its_third_report(
    lake: PriceValidator, monkeypatch: pytest.MonkeyPatch
):
    sent: list[str] = []
    monkeypatch.setattr(
        day_close, "acknowledged", lambda events: sent.extend(event.key for event in events) or True
    )
    batch(lake, quiet(0, DAYS), 1)
    job = DayClose()
    refused = []
    for nth in range(3):
        step = [*quiet(DAYS + nth, DAYS + nth + 1, CODES[1:]), row(DAYS + nth, CODES[0], 40_000.0 + nth)]
        # The others report first: the job sees the day before the report that counts.
        batch(lake, step[:-1], 2 + 2 * nth)
        job.refresh()
        assert not sent
        refused += batch(lake, step[-1:], 3 + 2 * nth)
        job.refresh()
    assert len(refused) == 3
    assert sorted(sent) == sorted(price_row["event_id"] for price_row in refused[:2])  # the third day is open
    sent.clear()
    batch(lake, quiet(DAYS + 3, DAYS + 4, CODES[1:]), 9)
    job.refresh()
    assert refused[2]["event_id"] in sent
    sent.clear()
    job.refresh()
    assert not sent
