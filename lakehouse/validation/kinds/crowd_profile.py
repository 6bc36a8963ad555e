"""The usual crowd of a place: the 99th percentile of a counter's readings over the 28 days before."""

from math import ceil

import numpy as np
import numpy.typing as npt

from lakehouse.validation.in_order import DAY

CROWD_DAYS = 28
# Fewer have no 99th percentile.
FEWEST_READINGS = 100


class CrowdDays:
    """Readings of one counter, added in order of time, day by day (UTC); 8 bytes each."""

    def __init__(self) -> None:
        self._closed: dict[int, npt.NDArray[np.float64]] = {}
        self._day = -1
        self._today: list[float] = []
        # (day, p99) computed last: the days before a day do not change any more.
        self._cached: tuple[int, float | None] = (-1, None)

    def add(self, time: int, value: float) -> None:
        """One reading, not older than those before. `time` in microseconds since 1970."""
        day = time // DAY
        if day != self._day:
            if self._today:
                self._closed[self._day] = np.array(self._today)
            self._closed = {old: values for old, values in self._closed.items() if old >= day - CROWD_DAYS}
            self._day, self._today = day, []
        self._today.append(value)

    def p99_before(self, time: int) -> float | None:
        """The smallest count that 99 % of the readings of the 28 days before `time` do not exceed.

        None with too few readings.
        """
        day = time // DAY
        if self._cached[0] != day:
            days = [values for old, values in self._closed.items() if day - CROWD_DAYS <= old < day]
            if day - CROWD_DAYS <= self._day < day:
                days.append(np.array(self._today))
            values = np.sort(np.concatenate(days)) if days else np.empty(0)
            enough = len(values) >= FEWEST_READINGS
            self._cached = (day, float(values[ceil(0.99 * len(values)) - 1]) if enough else None)
        return self._cached[1]
