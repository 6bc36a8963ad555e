"""The past of a series that a price is judged by: closings before its day, or statistics from the tables."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite, nan, sqrt
from statistics import fmean, median
from typing import Any

from lakehouse.reference import Commodity
from lakehouse.validation.prices.scores import FLOOR_PACE, FLOOR_RESIDUAL
from lakehouse.validation.prices.statistics import AVERAGE_DAYS, LEVEL_DAYS, ROBUST, SCALE_DAYS

# Mean size of a move to its standard deviation under normality, 0.798.
MEAN_OF_SD = 0.8
# How many moves the scale known beforehand weighs.
PRIOR_MOVES = 10
# Closings in a window from which it replaces the figure of the tables.
ENOUGH_LEVEL = 3
ENOUGH_AVERAGE = 10
EPOCH = date(1970, 1, 1)


@dataclass
class SeriesPast:
    """Accepted closings, oldest first.

    A move is a change of log price, a scale the mean size of a move over one day.
    """

    # Scale known beforehand.
    pace: float
    # Residual scale to pace.
    spread: float
    days: list[int] = field(default_factory=list)
    logs: list[float] = field(default_factory=list)
    # |move| / sqrt(days between) of each closing; NaN for the first.
    sizes: list[float] = field(default_factory=list)
    # Day of the last closing that differed.
    changed: int | None = None
    # Of the last week and of four weeks, as the tables have them.
    level: float = nan
    average: float = nan

    @classmethod
    def unknown(cls, commodity: Commodity) -> "SeriesPast":
        """Of a series without closings: the usual move of the commodity is used."""
        return cls(MEAN_OF_SD * commodity.daily_volatility, ROBUST)

    @classmethod
    def of_table(cls, row: Mapping[str, Any], commodity: Commodity) -> "SeriesPast":
        """Of a series of gold.series_stats that has a closing."""
        pace = row["own_scale"] or MEAN_OF_SD * commodity.daily_volatility
        spread = (row["residual_scale"] or 0) / row["own_scale"] if row["own_scale"] else ROBUST
        past = cls(pace, max(spread, ROBUST / 2), changed=epoch_day(row["change_day"] or row["last_day"]))
        past.level = nan if row["level_7"] is None else row["level_7"]
        past.average = nan if row["average_28"] is None else row["average_28"]
        past.days = [epoch_day(row["last_day"])]
        past.logs = [row["last_log"]]
        past.sizes = [nan]
        return past

    def add(self, day: int, closing: float) -> None:
        """Accept a closing later than all others."""
        move, age = (closing - self.logs[-1], day - self.days[-1]) if self.days else (nan, 1)
        if move or self.changed is None:
            self.changed = day
        self.days.append(day)
        self.logs.append(closing)
        self.sizes.append(abs(move) / sqrt(age))

    def before(self, day: int) -> dict[str, float]:
        """Last closing and its age, scales and levels at the start of that day; NaN without a closing."""
        if not self.days:
            return dict.fromkeys(
                ("last", "age", "pace", "residual_scale", "level", "average", "unchanged"), nan
            )
        sizes = [size for size in self.sizes[bisect_left(self.days, day - SCALE_DAYS) :] if isfinite(size)]
        pace = (PRIOR_MOVES * self.pace + sum(sizes)) / (PRIOR_MOVES + len(sizes))
        week = self.logs[bisect_left(self.days, day - LEVEL_DAYS) :]
        month = self.logs[bisect_left(self.days, day - AVERAGE_DAYS) :]
        return {
            "last": self.logs[-1],
            "age": float(day - self.days[-1]),
            "pace": pace + FLOOR_PACE,
            "residual_scale": self.spread * pace + FLOOR_RESIDUAL,
            "level": self.level
            if len(week) < ENOUGH_LEVEL and isfinite(self.level)
            else median(week or self.logs[-1:]),
            "average": self.average
            if len(month) < ENOUGH_AVERAGE and isfinite(self.average)
            else fmean(month or self.logs[-1:]),
            "unchanged": float(day - (self.changed if self.changed is not None else day)),
        }


def epoch_day(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days
