"""Bars of simulated coins and shares up to now, published to Kafka once: data of a demonstration. Seeded."""

import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from lakehouse.event import Event, series_key
from lakehouse.io.kafka import publish
from lakehouse.times import rfc3339

BARS = 600
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# (symbol, class, interval, first price, sd of the log return of a bar, mean volume of a bar)
SERIES = (
    ("BTC", "crypto", "1m", 64_000.0, 0.0006, 20.0),
    ("ETH", "crypto", "1m", 3_200.0, 0.0008, 300.0),
    ("AAPL", "equity", "1d", 190.0, 0.015, 5e7),
    ("MSFT", "equity", "1d", 420.0, 0.014, 2e7),
)


def payloads(now: datetime, seed: int = 1) -> Iterator[dict[str, Any]]:
    """The newest BARS closed bars of each series: driftless walks, so that nothing can be earned on them."""
    for symbol, asset_class, interval, price, spread, volume in SERIES:
        dice = random.Random(f"{seed}{symbol}")  # noqa: S311
        step = MINUTE if interval == "1m" else DAY
        last = now.replace(second=0, microsecond=0)
        if interval == "1d":
            last = last.replace(hour=0, minute=0)
        close = price
        for number in range(BARS):
            opening, close = close, close * math.exp(dice.gauss(0, spread))
            wick = abs(dice.gauss(0, spread / 2))
            begin = last - (BARS - number) * step
            yield {
                "event_id": f"sim-bar-{seed}-{symbol}-{interval}-{begin:%Y%m%dT%H%M}",
                "event_time": rfc3339(begin + step),
                "symbol": symbol,
                "asset_class": asset_class,
                "interval": interval,
                "bar_time": rfc3339(begin),
                "open": round(opening, 2),
                "high": round(max(opening, close) * (1 + wick), 2),
                "low": round(min(opening, close) * (1 - wick), 2),
                "close": round(close, 2),
                "volume": round(volume * dice.uniform(0.5, 1.5), 4),
                "currency": "USD",
            }


def events(now: datetime, seed: int = 1) -> Iterator[Event]:
    """The bars as events."""
    for payload in payloads(now, seed):
        key = series_key("bar", payload, payload["symbol"])
        yield Event("bar", key, orjson.dumps(payload), payload["event_id"], f"sim:{seed}", now)


if __name__ == "__main__":
    publish(list(events(datetime.now(UTC))))
    sys.exit(0)
