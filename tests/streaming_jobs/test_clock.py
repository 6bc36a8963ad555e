"""The clock goes back between two batches: every batch still reaches every table."""

from datetime import UTC, datetime, timedelta

import pytest

from conf.settings import settings
from lakehouse.times import rfc3339
from streaming_jobs.batch.batch_time import STEP, batch_time
from streaming_jobs.gold.contract_sql import sql_job
from streaming_jobs.gold.silent_series import SilentSeries
from tests.streaming_jobs.conftest import NOW, Stream, price, reading


@pytest.fixture
def stream(either: Stream) -> Stream:
    return either


BACK = timedelta(minutes=6)
NOON = datetime(2026, 3, 1, 5, tzinfo=UTC)


def test_batch_time_follows_the_clock_forward_and_never_goes_back():
    assert batch_time(NOON, None) == NOON
    assert batch_time(NOON, NOON - BACK) == NOON
    assert batch_time(NOON - BACK, NOON) == NOON + STEP
    assert batch_time(NOON, NOON) == NOON + STEP


def run_with_clock_set_back(stream: Stream, patch: pytest.MonkeyPatch) -> None:
    """Run the next batch by a clock 6 minutes behind, crash after its first table, and run it again."""
    steps = settings().home / "clock_steps"
    steps.write_text(f"0 {-BACK.total_seconds()}\n")
    patch.setenv("LUMBUNG_CLOCK_STEPS", str(steps))
    settings.cache_clear()
    stream.crash("stream.after_bronze.events")
    stream.run()


def refresh_background_gold() -> None:
    SilentSeries().refresh()
    sql_job("gold.quality_hourly").refresh()


def test_batches_after_a_step_back_of_the_clock_reach_every_table(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    stream.send(price("a"), price("a2", 11600))
    stream.send(reading("s1", crowd_count=1), kind="sensor")
    stream.run()
    refresh_background_gold()
    stream.send(price("b", 11700), price("c", -1))
    later = NOW + timedelta(seconds=30)
    stream.send(reading("s2", crowd_count=2, event_time=rfc3339(later)), kind="sensor")
    run_with_clock_set_back(stream, monkeypatch)
    refresh_background_gold()

    balance = sorted(stream.rows("gold.balance"), key=lambda row: row["batch_id"])
    first, second = dict.fromkeys(row["ingested_at"] for row in balance)
    assert second == first + STEP  # what validators, decisions and a rebuild load is in order of arrival
    in_bronze = {row["event_id"]: row["ingested_at"] for row in stream.rows("bronze.events")}
    assert in_bronze == {"a": first, "a2": first, "s1": first, "b": second, "c": second, "s2": second}
    assert {row["quarantined_at"] for row in stream.rows("silver.quarantine")} == {second}
    assert set(stream.silver()) == {"a", "a2", "b"}
    assert {row["event_id"] for row in stream.rows("gold.price_history")} == {"a", "a2", "b"}
    (day,) = stream.rows("gold.daily_prices")
    assert day["observations"] == 3
    hours = [row for row in stream.rows("gold.quality_hourly") if row["rule"] == "price_positive"]
    assert (sum(row["batches"] for row in hours), sum(row["evaluated"] for row in hours)) == (2, 4)
    (device,) = [row for row in stream.rows("gold.silent_series") if row["series_kind"] == "device"]
    assert (device["last_event_time"], device["clock"]) == (later, second)
