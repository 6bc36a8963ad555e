"""`simulate bars`: valid bars under names of their own, the same ones whenever they are computed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from lakehouse.event import faults
from producers.simulate.bar_feed import COINS, FIRST_PRICE, PAST_BARS, payloads
from tests.conftest import Broker, headers_of
from tests.producers.simulate.test_simulator import simulate

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_bars_are_valid_and_the_same_after_a_restart() -> None:
    def minutes(first: int, last: int) -> list[str]:
        times = (NEW_YEAR + timedelta(minutes=number) for number in (first, last))
        return [orjson.dumps(bar).decode() for bar in payloads(*times, seed=1)]

    whole = minutes(-3, 4)
    assert len(whole) == len(set(whole)) == 14
    assert sorted(minutes(-3, 1) + minutes(1, 4)) == sorted(whole)
    bars = [orjson.loads(bar) for bar in whole]
    assert [faults(bar, ["bar"]) for bar in bars] == [[]] * 14
    first = next(bar for bar in bars if bar["bar_time"] == "2026-01-01T00:00:00.000000Z")
    assert first["open"] == FIRST_PRICE
    after = [bar for bar in bars if bar["symbol"] == COINS[0] and bar["bar_time"] >= first["bar_time"]]
    assert [bar["open"] for bar in after[1:]] == [bar["close"] for bar in after[:-1]]


def test_past_bars_are_in_kafka_once(broker: Broker, home: Path) -> None:
    since = broker.ends()
    done = simulate("bars", "--seconds", "0", "--json")
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == {"bars": 2 * PAST_BARS}
    records = broker.records(since, "lumbung.bar", 2 * PAST_BARS)
    assert {headers_of(record)["source"] for record in records} == {"sim:bars-1"}
    assert len({headers_of(record)["event_id"] for record in records}) == 2 * PAST_BARS
