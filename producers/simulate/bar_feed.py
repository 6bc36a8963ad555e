"""`simulate bars`: bars of a minute of two simulated coins, those of the past, then each as it closes."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from lakehouse.event import Event, series_key
from lakehouse.io.kafka import publish
from lakehouse.times import rfc3339

MINUTE = timedelta(minutes=1)
PAST_BARS = 600  # as many as a signal and its calibration read
DELAY_SECONDS = 1.0  # after a bar has closed
FIRST_PRICE = 100.0
SPREAD = 0.0006  # sd of the log return of a bar
COINS = ("SIM-A", "SIM-B")  # names of their own: bars of real symbols are not replaced


def coin_payloads(symbol: str, first: datetime, last: datetime, seed: int) -> Iterator[dict[str, Any]]:
    """The bars that begin from `first`, a whole minute, up to before `last`, at most the end of its year.

    A driftless walk that begins with the year: a bar is the same whenever it is computed.
    """
    year = first.replace(month=1, day=1, hour=0, minute=0)
    begin, end = (int((time - year) / MINUTE) for time in (first, last))
    draw = np.random.default_rng([seed, COINS.index(symbol), year.year]).normal(size=(end, 3))
    close = FIRST_PRICE * np.exp(SPREAD * draw[:, 0].cumsum())
    opening = np.concatenate([[FIRST_PRICE], close])[: len(close)]
    wick = np.abs(draw[:, 1]) * SPREAD / 2
    for at in range(begin, end):
        bar_time = year + at * MINUTE
        yield {
            "event_id": f"sim-bar-{seed}-{symbol}-1m-{bar_time:%Y%m%dT%H%M}",
            "event_time": rfc3339(bar_time + MINUTE),
            "symbol": symbol,
            "asset_class": "crypto",
            "interval": "1m",
            "bar_time": rfc3339(bar_time),
            "open": round(float(opening[at]), 4),
            "high": round(float(max(opening[at], close[at]) * (1 + wick[at])), 4),
            "low": round(float(min(opening[at], close[at]) * (1 - wick[at])), 4),
            "close": round(float(close[at]), 4),
            "volume": round(1000 * float(np.exp(draw[at, 2] / 4)), 4),
            "currency": "USD",
        }


def payloads(first: datetime, last: datetime, seed: int) -> Iterator[dict[str, Any]]:
    """The bars of all coins that begin from `first` up to before `last`; a year begins its own walks."""
    new_year = last.replace(month=1, day=1, hour=0, minute=0)
    for symbol in COINS:
        if first < new_year:
            yield from coin_payloads(symbol, first, new_year, seed)
        yield from coin_payloads(symbol, max(first, new_year), last, seed)


class BarFeed:
    """Publishes past bars, then each bar as it closes; `acknowledged` counts what Kafka has confirmed."""

    def __init__(self, seed: int, seconds: float | None, stopping: threading.Event) -> None:
        self._seed = seed
        self._seconds = seconds
        self._stopping = stopping
        self.acknowledged = 0

    def publish(self) -> None:
        """Publish until the time is over or `stopping` is set. Raises NotAcknowledged."""
        end = None if self._seconds is None else time.monotonic() + self._seconds
        now = datetime.now(UTC)
        sent_upto = now.replace(second=0, microsecond=0) - PAST_BARS * MINUTE
        while True:
            closed = now.replace(second=0, microsecond=0)
            events = [self._event(payload) for payload in payloads(sent_upto, closed, self._seed)]
            publish(events)
            self.acknowledged += len(events)
            sent_upto = closed
            wait = (closed + MINUTE - datetime.now(UTC)).total_seconds() + DELAY_SECONDS
            left = wait if end is None else min(wait, end - time.monotonic())
            if self._stopping.wait(max(0.0, left)) or (end is not None and time.monotonic() >= end):
                return
            now = datetime.now(UTC)

    def _event(self, payload: dict[str, Any]) -> Event:
        key = series_key("bar", payload, payload["symbol"])
        source = f"sim:bars-{self._seed}"
        return Event("bar", key, orjson.dumps(payload), payload["event_id"], source, datetime.now(UTC))
