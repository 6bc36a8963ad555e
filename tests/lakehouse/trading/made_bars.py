"""Bars for tests: random walks, whole or one by one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from lakehouse.trading.bars import Bars
from lakehouse.trading.paper_engine import PaperBar
from lakehouse.trading.signals import Series

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
COIN = Series("COIN", "crypto", "1d", "USD")


def random_bars(seed: int, length: int, moves: float = 0.02, swing: float = 0.0) -> Bars:
    """A driftless walk on a wave of 90 bars and height `swing`; each bar opens at the close before it."""
    random = np.random.default_rng(seed)
    wave = swing * np.sin(np.arange(length) * 2 * np.pi / 90)
    close = 100 * np.exp(np.cumsum(random.normal(-moves * moves / 2, moves, length)) + wave)
    opening = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opening, close) * (1 + np.abs(random.normal(0, moves / 4, length)))
    low = np.minimum(opening, close) * (1 - np.abs(random.normal(0, moves / 4, length)))
    time = int(BEGIN.timestamp() * 1e6) + DAY * np.arange(length, dtype=np.int64)
    volume = np.round(random.uniform(500, 1500, length), 3)
    return Bars(time, opening, high, low, close, volume, np.ones(length, bool), np.ones(length))


def paper_bar(day: int, opening: str, close: str | None = None, **more: object) -> PaperBar:
    """A daily bar of COIN with 1,000 traded."""
    fields = {"symbol": "COIN", "interval": "1d", "time": BEGIN + timedelta(days=day)}
    price = Decimal(opening)
    values = {"open": price, "close": Decimal(close or opening), "volume": Decimal(1000)}
    return PaperBar(**(fields | values | more))  # type: ignore[arg-type]


def paper_bars(bars: Bars) -> list[PaperBar]:
    """The bars for the paper engine."""
    return [
        PaperBar(
            "COIN",
            "1d",
            BEGIN + timedelta(days=day),
            Decimal(repr(float(bars.open[day]))),
            Decimal(repr(float(bars.close[day]))),
            Decimal(repr(float(bars.volume[day]))),
        )
        for day in range(len(bars))
    ]
