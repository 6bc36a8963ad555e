"""Prices of siblings of a commodity: does a price lie at a sibling's level instead of its own?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.validation import Flags
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.windows import Floats, Ints

# Log units: siblings whose levels are nearer cannot be distinguished.
LEAST_APART = np.log(1.15)
# Share of the distance between two levels that still counts as near.
NEAR_SHARE = 0.4
# A level is known for so many days after its last closing.
KNOWN_DAYS = 28


@dataclass(frozen=True)
class SiblingLevels:
    """Last closings of siblings by the same reporter: `names`, and their logs [names, rows]; NaN: unknown."""

    names: npt.NDArray[np.str_]
    logs: Floats

    def nearest(self, log: Floats, own: Floats) -> tuple[npt.NDArray[np.str_], Floats]:
        """(sibling at whose level each price lies, log of that level); "" and NaN where there is none."""
        if not len(self.names):
            return np.full(len(log), ""), np.full(len(log), np.nan)
        away = np.where(lies_at(log, own, self.logs), np.abs(log - self.logs), np.inf)
        first = away.argmin(axis=0)
        at = np.isfinite(away.min(axis=0))
        levels = self.logs[first, np.arange(len(log))]
        return np.where(at, self.names[first], ""), np.where(at, levels, np.nan)


NO_SIBLINGS = SiblingLevels(np.array([], dtype=np.str_), np.empty((0, 0)))


def lies_at(log: Any, own: Any, other: Any) -> Any:
    """Whether log prices lie at another level than their own: near it, and the two are apart."""
    apart = np.abs(own - other)
    return (apart >= LEAST_APART) & (np.abs(log - other) <= NEAR_SHARE * apart)


def sibling_levels(
    own: ClosingPanel, siblings: Mapping[str, ClosingPanel], days: Ints, columns: Ints
) -> SiblingLevels:
    """Levels of the siblings that verdicts on prices of the series `columns` on `days` may read."""
    if not siblings:
        return NO_SIBLINGS
    wanted, nth = np.unique(columns, return_inverse=True)
    series = list(own.series)
    logs = np.full((len(siblings), len(days)), np.nan)
    for row, panel in enumerate(siblings.values()):
        places = np.array([panel.series.get(series[column], -1) for column in wanted.tolist()])[nth]
        last = np.searchsorted(panel.days(0, panel.size), days - panel.lateness_days) - 1
        known: Flags = (places >= 0) & (last >= 0)
        if known.any():
            at = last[known], places[known]
            stop = int(at[0].max()) + 1
            fresh = days[known] - panel.grid("last_day", 0, stop)[at] <= KNOWN_DAYS
            logs[row, known] = np.where(fresh, panel.grid("last_log", 0, stop)[at], np.nan)
    return SiblingLevels(np.array(list(siblings), dtype=np.str_), logs)
