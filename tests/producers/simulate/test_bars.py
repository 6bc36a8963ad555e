"""Simulated bars: valid, and the same ones whenever they are computed."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from conf.settings import REPO, settings
from lakehouse.event import faults
from lakehouse.times import rfc3339
from producers.simulate.bars import (
    COINS,
    DEMONSTRATION,
    PACE_SECONDS,
    PACED_BARS,
    PAST_BARS,
    PAST_DAYS,
    STEPS,
    Walk,
    newest,
    payloads,
)
from tests.conftest import Broker, headers_of
from tests.producers.simulate.test_simulator import simulate

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("walk", [*COINS, *DEMONSTRATION], ids=lambda walk: walk.symbol)
def test_bars_are_valid_and_the_same_after_a_restart(walk: Walk) -> None:
    def bars_between(first: int, last: int) -> list[str]:
        times = (NEW_YEAR + number * STEPS[walk.interval] for number in (first, last))
        return [orjson.dumps(bar).decode() for bar in payloads(walk, *times, seed=1)]

    whole = bars_between(-3, 4)
    assert len(whole) == len(set(whole)) == 7
    assert bars_between(-3, 1) + bars_between(1, 4) == whole
    bars = [orjson.loads(bar) for bar in whole]
    assert [faults(bar, ["bar"]) for bar in bars] == [[]] * 7
    assert [bar["open"] for bar in bars[4:]] == [bar["close"] for bar in bars[3:-1]]


def test_walk_of_minutes_begins_with_the_year() -> None:
    (bar,) = payloads(COINS[0], NEW_YEAR, NEW_YEAR + timedelta(minutes=1), seed=1)
    assert bar["open"] == COINS[0].first_price_usd


def test_second_demonstration_sends_the_same_bars_and_new_ones() -> None:
    """It would quarantine the others: one event id, two contents."""
    later = NEW_YEAR + timedelta(days=40, minutes=7, seconds=5)
    before, after = (
        {bar["event_id"]: bar for bar in newest(DEMONSTRATION, now, seed=1)}
        for now in (later, later + timedelta(minutes=2))
    )
    assert len(before) == len(after) == 2 * PAST_BARS + 2 * PAST_DAYS
    oldest = min(bar["event_time"] for bar in before.values())
    assert oldest > rfc3339(later - timedelta(days=settings().validation.max_age_days))
    common = before.keys() & after.keys()
    assert len(common) == len(before) - 2 * 2
    assert [name for name in common if before[name] != after[name]] == []


def test_past_bars_are_in_kafka_once(broker: Broker, home: Path) -> None:
    since = broker.ends()
    done = simulate("bars", "--seconds", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["bars"] == len(COINS) * PAST_BARS
    records = broker.records(since, "lumbung.bar", len(COINS) * PAST_BARS)
    assert {headers_of(record)["source"] for record in records} == {"sim:bars-1"}
    assert len({headers_of(record)["event_id"] for record in records}) == len(COINS) * PAST_BARS


def test_newest_past_bars_of_a_demonstration_come_one_by_one(broker: Broker, home: Path) -> None:
    since = broker.ends()
    command = [sys.executable, "-m", "producers.simulate.bars"]
    at_once = len(COINS) * (PAST_BARS - PACED_BARS)
    with subprocess.Popen(command, cwd=REPO) as feed:
        records = broker.records(since, "lumbung.bar", at_once + 2 * len(COINS))
        feed.terminate()
    assert feed.returncode == 0
    times = [orjson.loads(record.value())["bar_time"] for record in records]
    begun = [Counter(times)[time] for time in sorted(set(times))]
    assert begun == [len(COINS)] * (PAST_BARS - PACED_BARS + 2)
    sent = sorted(record.timestamp()[1] for record in records)
    assert sent[-1] - sent[at_once - 1] > 1_500 * PACE_SECONDS  # milliseconds, of two bars
