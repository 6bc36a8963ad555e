"""Simulated bars of coins and shares. A bar is the same whenever it is computed, for the same seed.

`simulate bars` sends those of four coins of a minute, those of the past, then each as it closes. Two coins
are driftless walks, two have a trend that can be found.

`python -m producers.simulate.bars` does the same for a demonstration: the last PACED_BARS of the past come
one by one, so that they are traded on paper. With `once` it sends the newest of four other series and ends.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import stopped_by_signals
from lakehouse.event import Event, series_key
from lakehouse.io.kafka import NotAcknowledged, publish
from lakehouse.times import rfc3339

log = logging.getLogger("lumbung.simulate")
PAST_BARS = 600  # as many as a signal and its calibration read
PAST_DAYS = 390  # of daily bars: what is older than 400 days is quarantined unless it comes from a file
DELAY_SECONDS = 1.0  # after a bar has closed
PACE_SECONDS = 2.0  # between two bars of the past that come one by one
PACED_BARS = 120
MINUTE = timedelta(minutes=1)
STEPS = {"1m": MINUTE, "1d": timedelta(days=1)}
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)  # on which the walks of daily bars begin


@dataclass(frozen=True)
class Walk:
    """A walk of prices. `spread`: sd of the log return of a bar.

    `trend`: its mean, which changes its sign every TREND_BARS bars. Without it nothing can be earned.
    """

    symbol: str
    asset_class: str
    interval: str
    first_price_usd: float
    spread: float
    mean_volume: float
    trend: float = 0.0


TREND_BARS = 30
COINS = (  # names of their own: bars of real symbols are not replaced
    Walk("SIM-A", "crypto", "1m", 100.0, 0.0006, 1000.0),
    Walk("SIM-B", "crypto", "1m", 100.0, 0.0006, 1000.0),
    Walk("SIM-C", "crypto", "1m", 100.0, 0.0012, 1000.0, trend=0.0016),
    Walk("SIM-D", "crypto", "1m", 100.0, 0.0024, 1000.0, trend=0.0032),
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
    sign = np.where(np.arange(end) // TREND_BARS % 2 == 0, 1, -1)
    close = walk.first_price_usd * np.exp((walk.spread * draw[:, 0] + walk.trend * sign).cumsum())
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
    """Publishes past bars, then each bar as it closes; `acknowledged` counts what Kafka has confirmed.

    `paced`: the last bars of the past, which come one by one.
    """

    seed: int
    seconds: float | None
    stopping: threading.Event
    paced: int = 0
    acknowledged: int = 0

    def publish(self) -> None:
        """Publish until the time is over or `stopping` is set. Raises NotAcknowledged."""
        end = None if self.seconds is None else time.monotonic() + self.seconds
        closed = closed_minute()
        sent_upto = closed - PAST_BARS * MINUTE
        upto = closed - self.paced * MINUTE
        while True:
            bars = [bar for walk in COINS for bar in payloads(walk, sent_upto, upto, self.seed)]
            publish([event(bar, self.seed) for bar in bars])
            self.acknowledged += len(bars)
            sent_upto = upto
            wait = PACE_SECONDS
            if sent_upto >= closed_minute():
                wait = (sent_upto + MINUTE - datetime.now(UTC)).total_seconds() + DELAY_SECONDS
            left = wait if end is None else min(wait, end - time.monotonic())
            if self.stopping.wait(max(0.0, left)) or (end is not None and time.monotonic() >= end):
                return
            upto = min(sent_upto + MINUTE, closed_minute())


def closed_minute() -> datetime:
    """The newest minute that is over."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when the bars were sent once, or on request to stop; 1 when Kafka acknowledged not all."""
    try:
        if arguments == ["once"]:
            publish([event(bar, seed=1) for bar in newest(DEMONSTRATION, datetime.now(UTC), seed=1)])
        else:
            BarFeed(1, None, stopped_by_signals(log), PACED_BARS).publish()
    except NotAcknowledged as error:
        log.error("Kafka did not acknowledge every bar: %s", error)
        return ExitCode.FAILED
    return ExitCode.DONE


if __name__ == "__main__":
    configure_logging()
    sys.exit(main(sys.argv[1:]))
