"""The usual crowd of a place: the 99th percentile of a counter's readings over the 28 days before."""

from array import array
from collections.abc import Iterator
from math import ceil

import numpy as np

from lakehouse.validation.windows import Floats

CROWD_DAYS = 28
# Fewer have no 99th percentile.
FEWEST_READINGS = 100


def p99_of(parts: list[Floats]) -> float:
    """The smallest count that 99 % of the readings do not exceed; NaN with too few readings."""
    values = np.concatenate([np.empty(0), *parts])
    if len(values) < FEWEST_READINGS:
        return float("nan")
    place = ceil(0.99 * len(values)) - 1
    return float(np.partition(values, place)[place])


class CrowdDays:
    """Readings of one counter by day (UTC), 8 bytes each; the last 28 days before the newest one."""

    def __init__(self) -> None:
        self._days: dict[int, array[float]] = {}
        # (day, p99) computed last, until an earlier day changes.
        self._cached: tuple[int, float] | None = None

    def add(self, day: int, values: Floats) -> None:
        """Readings of a day that is not older than those before; days since 1970."""
        if day not in self._days:
            self._days = {old: counts for old, counts in self._days.items() if old >= day - CROWD_DAYS}
        self._days.setdefault(day, array("d")).extend(values.tolist())
        if self._cached and day < self._cached[0]:
            self._cached = None

    def days(self) -> Iterator[tuple[int, Floats]]:
        """The days with readings, oldest first, and their readings."""
        for day, counts in self._days.items():
            yield day, np.array(counts)

    def readings_before(self, day: int) -> list[Floats]:
        """The readings of the 28 days before a day."""
        return [np.array(counts) for old, counts in self._days.items() if day - CROWD_DAYS <= old < day]

    def p99_before(self, day: int) -> float:
        """`p99_of` the 28 days before a day."""
        if self._cached is None or self._cached[0] != day:
            self._cached = (day, p99_of(self.readings_before(day)))
        return self._cached[1]
