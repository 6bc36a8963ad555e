"""Simulated bars of coins and shares. A bar is the same whenever it is computed, for the same seed.

`simulate bars` sends those of two coins of one minute, those of the past, then each as it closes.
`python -m producers.simulate.bars` sends the newest of four series once: data of a demonstration.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from lakehouse.event import Event, series_key
from lakehouse.io.kafka import publish
from lakehouse.times import rfc3339

PAST_BARS = 600  # as many as a signal and its calibration read
PAST_DAYS = 390  # of daily bars: what is older than 400 days is quarantined unless it comes from a file
DELAY_SECONDS = 1.0  # after a bar has closed
MINUTE = timedelta(minutes=1)
STEPS = {"1m": MINUTE, "1d": timedelta(days=1)}
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)  # on which the walks of daily bars begin


@dataclass(frozen=True)
class Walk:
    """A driftless walk, so that nothing can be earned on it. `spread`: sd of the log return of a bar."""

    symbol: str
    asset_class: str
    interval: str
    first_price_usd: float
    spread: float
    mean_volume: float


COINS = (  # names of their own: bars of real symbols are not replaced
    Walk("SIM-A", "crypto", "1m", 100.0, 0.0006, 1000.0),
    Walk("SIM-B", "crypto", "1m", 100.0, 0.0006, 1000.0),
)
DEMONSTRATION = (
    Walk("BTC", "crypto", "1m", 64_000.0, 0.0006, 20.0),
    Walk("ETH", "crypto", "1m", 3_200.0, 0.0008, 300.0),
    Walk("AAPL", "equity", "1d", 190.0, 0.015, 5e7),
    Walk("MSFT", "equity", "1d", 420.0, 0.014, 2e7),
)


def payloads(walk: Walk, first: datetime, last: datetime, seed: int) -> Iterator[dict[str, Any]]:
    """The bars that begin from `first`, a whole step, up to before `last`.

    A walk of minutes starts again every year, so that the cost of a bar is bounded.
    """
    new_year = last.replace(month=1, day=1, hour=0, minute=0)
    if walk.interval == "1d":
        yield from _payloads_since(FIRST_DAY, walk, first, last, seed)
    else:
        if first < new_year:
            yield from _payloads_since(new_year.replace(year=last.year - 1), walk, first, new_year, seed)
        yield from _payloads_since(new_year, walk, max(first, new_year), last, seed)


def _payloads_since(
    origin: datetime, walk: Walk, first: datetime, last: datetime, seed: int
) -> Iterator[dict[str, Any]]:
    step = STEPS[walk.interval]
    begin, end = (int((time - origin) / step) for time in (first, last))
    draw = np.random.default_rng([seed, origin.year, *walk.symbol.encode()]).normal(size=(end, 3))
    close = walk.first_price_usd * np.exp(walk.spread * draw[:, 0].cumsum())
    opening = np.concatenate([[walk.first_price_usd], close])[: len(close)]
    wick = np.abs(draw[:, 1]) * walk.spread / 2
    for at in range(begin, end):
        bar_time = origin + at * step
        yield {
            "event_id": f"sim-bar-{seed}-{walk.symbol}-{walk.interval}-{bar_time:%Y%m%dT%H%M}",
            "event_time": rfc3339(bar_time + step),
            "symbol": walk.symbol,
            "asset_class": walk.asset_class,
            "interval": walk.interval,
            "bar_time": rfc3339(bar_time),
            "open": round(float(opening[at]), 4),
            "high": round(float(max(opening[at], close[at]) * (1 + wick[at])), 4),
            "low": round(float(min(opening[at], close[at]) * (1 - wick[at])), 4),
            "close": round(float(close[at]), 4),
            "volume": round(walk.mean_volume * float(np.exp(draw[at, 2] / 4)), 4),
            "currency": "USD",
        }


def newest(walks: Iterable[Walk], now: datetime, seed: int) -> Iterator[dict[str, Any]]:
    """The newest closed bars of each walk: PAST_BARS of a minute, PAST_DAYS of a day."""
    for walk in walks:
        last, bars = now.replace(second=0, microsecond=0), PAST_BARS
        if walk.interval == "1d":
            last, bars = last.replace(hour=0, minute=0), PAST_DAYS
        yield from payloads(walk, last - bars * STEPS[walk.interval], last, seed)


def event(payload: dict[str, Any], seed: int) -> Event:
    key = series_key("bar", payload, payload["symbol"])
    source = f"sim:bars-{seed}"
    return Event("bar", key, orjson.dumps(payload), payload["event_id"], source, datetime.now(UTC))


@dataclass(eq=False)
class BarFeed:
    """Publishes past bars, then each bar as it closes; `acknowledged` counts what Kafka has confirmed."""

    seed: int
    seconds: float | None
    stopping: threading.Event
    acknowledged: int = 0

    def publish(self) -> None:
        """Publish until the time is over or `stopping` is set. Raises NotAcknowledged."""
        end = None if self.seconds is None else time.monotonic() + self.seconds
        now = datetime.now(UTC)
        sent_upto = now.replace(second=0, microsecond=0) - PAST_BARS * MINUTE
        while True:
            closed = now.replace(second=0, microsecond=0)
            bars = [bar for walk in COINS for bar in payloads(walk, sent_upto, closed, self.seed)]
            publish([event(bar, self.seed) for bar in bars])
            self.acknowledged += len(bars)
            sent_upto = closed
            wait = (closed + MINUTE - datetime.now(UTC)).total_seconds() + DELAY_SECONDS
            left = wait if end is None else min(wait, end - time.monotonic())
            if self.stopping.wait(max(0.0, left)) or (end is not None and time.monotonic() >= end):
                return
            now = datetime.now(UTC)


if __name__ == "__main__":
    publish([event(bar, seed=1) for bar in newest(DEMONSTRATION, datetime.now(UTC), seed=1)])
