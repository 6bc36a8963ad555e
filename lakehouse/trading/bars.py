"""Bars of one series as arrays, and how a split of the shares changes those before it."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAY = timedelta(days=1)
INTERVALS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1d": DAY,
}


@dataclass(frozen=True)
class Bars:
    """Bars of one symbol and interval, oldest first; all arrays have one length.

    `time`: begin of the bar, microseconds since 1970. `open` is NaN where there is none. `regular`: something
    was traded, and no bar is missing before it. `split`: shares after ÷ before the bar began, mostly 1.
    `mood`: sentiment of posts before the bar, -1 to 1, NaN without any; None: no post names the symbol.
    """

    time: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    regular: NDArray[np.bool_]
    split: Floats
    mood: Floats | None = None

    def __len__(self) -> int:
        return len(self.time)

    def part(self, start: int, end: int) -> "Bars":
        """The bars [start, end)."""
        columns = [getattr(self, each.name) for each in fields(self)]
        parts: list[Any] = [None if column is None else column[start:end] for column in columns]
        return Bars(*parts)

    def adjusted(self) -> "Bars":
        """Prices and volumes in shares of the newest bar; the bars themselves where nothing was split."""
        if (self.split == 1).all():
            return self
        # Product of the splits that come after each bar.
        later = np.cumprod(self.split[::-1])[::-1] / self.split
        return Bars(
            self.time,
            self.open / later,
            self.high / later,
            self.low / later,
            self.close / later,
            self.volume * later,
            self.regular,
            np.ones_like(self.split),
            self.mood,
        )
