"""What a price of a series may be judged by: closings before its day, or the statistics that the tables have of them."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite, nan, sqrt
from statistics import fmean, median
from typing import Any

from lakehouse.reference import Commodity
from lakehouse.validation.price_scores import FLOOR_PACE, FLOOR_RESIDUAL
from lakehouse.validation.price_stats import AVERAGE_DAYS, LEVEL_DAYS, ROBUST, SCALE_DAYS

MEAN_OF_SD = 0.8  # mean size of a move to its standard deviation under normality, 0.798
PRIOR_MOVES = 10  # how many moves the scale known beforehand weighs
ENOUGH_LEVEL, ENOUGH_AVERAGE = 3, 10  # closings in a window from which it replaces the tables' figure
EPOCH = date(1970, 1, 1)


@dataclass
class Past:
    """Accepted closings, oldest first. `move` is a change of log price, scales are mean sizes of a move over one day."""

    pace: float  # scale known beforehand
    spread: float  # residual scale to pace
    days: list[int] = field(default_factory=list)
    logs: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)  # |move| / sqrt(days between) of each closing; NaN for the first
    changed: int | None = None  # day of the last closing that differed
    level: float = nan  # of the last week, as the tables have it
    average: float = nan  # of four weeks, as the tables have it

    @classmethod
    def unknown(cls, good: Commodity) -> "Past":
        """Of a series without any: the commodity's usual move stands in."""
        return cls(MEAN_OF_SD * good.daily_volatility, ROBUST)

    @classmethod
    def of_table(cls, row: Mapping[str, Any], good: Commodity) -> "Past":
        """Of a series of gold.series_stats that has a closing."""
        pace = row["own_scale"] or MEAN_OF_SD * good.daily_volatility
        spread = (row["residual_scale"] or 0) / row["own_scale"] if row["own_scale"] else ROBUST
        made = cls(pace, max(spread, ROBUST / 2), changed=epoch_day(row["change_day"] or row["last_day"]))
        made.level, made.average = (nan if row[name] is None else row[name] for name in ("level_7", "average_28"))
        made.days, made.logs, made.sizes = [epoch_day(row["last_day"])], [row["last_log"]], [nan]
        return made

    def take(self, day: int, closing: float) -> None:
        """Accept a closing later than all others."""
        move, age = (closing - self.logs[-1], day - self.days[-1]) if self.days else (nan, 1)
        if move or self.changed is None:
            self.changed = day
        self.days.append(day)
        self.logs.append(closing)
        self.sizes.append(abs(move) / sqrt(age))

    def before(self, day: int) -> dict[str, float]:
        """What is known at the start of that day: last closing and its age, scales, levels; NaN without a closing."""
        if not self.days:
            return dict.fromkeys(("last", "age", "pace", "residual_scale", "level", "average", "unchanged"), nan)
        sizes = [size for size in self.sizes[bisect_left(self.days, day - SCALE_DAYS) :] if isfinite(size)]
        pace = (PRIOR_MOVES * self.pace + sum(sizes)) / (PRIOR_MOVES + len(sizes))
        week = self.logs[bisect_left(self.days, day - LEVEL_DAYS) :]
        month = self.logs[bisect_left(self.days, day - AVERAGE_DAYS) :]
        return {
            "last": self.logs[-1],
            "age": float(day - self.days[-1]),
            "pace": pace + FLOOR_PACE,
            "residual_scale": self.spread * pace + FLOOR_RESIDUAL,
            "level": self.level if len(week) < ENOUGH_LEVEL and isfinite(self.level) else median(week or self.logs[-1:]),
            "average": self.average if len(month) < ENOUGH_AVERAGE and isfinite(self.average) else fmean(month or self.logs[-1:]),
            "unchanged": float(day - (self.changed if self.changed is not None else day)),
        }


def epoch_day(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days
