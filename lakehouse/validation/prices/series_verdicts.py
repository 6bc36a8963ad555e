"""Prices of one series, day by day, each with the scores of the stream by the prices before it."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isfinite, log, nan, sqrt
from statistics import fmean, median
from typing import Any

import numpy as np

from lakehouse.reference import Commodity
from lakehouse.validation.prices.closings import FRESH_DAYS
from lakehouse.validation.prices.cross_section import CrossSection
from lakehouse.validation.prices.scores import FLOOR_GAP, FLOOR_PACE, FLOOR_RESIDUAL, MAX_UNIT_TOLERANCE
from lakehouse.validation.prices.statistics import AVERAGE_DAYS, LEVEL_DAYS, ROBUST, SCALE_DAYS
from lakehouse.validation.prices.thresholds import Thresholds

# Anomalies in a row to one side after which their level is the level of the series.
NEW_LEVEL = 3


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


@dataclass(frozen=True)
class ScoredPrice:
    """A price before the forest scores it.

    `strangest`: 1 is the limit of the residual scores. `space`: 1 is that of DBSCAN. NaN: no score. `gate`:
    off by a power of ten, or outside what is believable at all. `features`: isolation_forest.FEATURES.
    """

    strangest: float
    gate: bool
    space: float
    features: tuple[float, ...]
    # Days since the closing that it is compared with; NaN without one.
    age: float = nan


def series_of(rows: Sequence[Mapping[str, Any]], region_code: str | None) -> Mapping[str, Any] | None:
    """The row of the region: its province-wide series, else its best known market, or the national level."""
    known = [row for row in rows if row["last_log"] is not None and row["last_day"] is not None]
    if region_code is None:
        newest = max(known, key=lambda row: row["last_day"], default=None)
        if newest is None or newest["national_level"] is None:
            return None
        level = dict.fromkeys(("last_log", "level_7", "average_28"), newest["national_level"])
        return {
            **newest,
            **level,
            "own_scale": None,
            "residual_scale": None,
            "gap_median": None,
            "change_day": None,
        }
    here = [row for row in known if row["region_code"] == region_code]
    return max(here, key=lambda row: (row["level"] == "province", row["n"] or 0), default=None)


def score_series(
    own: Mapping[str, Any] | None,
    commodity: Commodity,
    thresholds: Thresholds,
    space: CrossSection | None,
    observations: Sequence[tuple[date, float]],
) -> list[ScoredPrice]:
    """Day by day; the last price given of a day is its closing."""
    past = SeriesPast(MEAN_OF_SD * commodity.daily_volatility, ROBUST)  # the usual move, without closings
    table = None
    refused = RefusedCloses()
    scored: dict[int, ScoredPrice] = {}
    by_day: dict[int, list[int]] = {}
    for place, (given, _) in enumerate(observations):
        by_day.setdefault(epoch_day(given), []).append(place)
    for day, places in sorted(by_day.items()):
        if own is not None and table is None and day > epoch_day(own["last_day"]):
            past = SeriesPast.of_table(own, commodity)
            table = own
            refused = RefusedCloses()
        for place in places:
            scored[place] = score_price(
                day, observations[place][1], past, table, commodity, thresholds, space
            )
        closing = scored[places[-1]]
        for accepted in refused.sifted(
            past, day, log(observations[places[-1]][1]), closing.gate or closing.strangest > 1
        ):
            past.add(*accepted)
    return [scored[place] for place in range(len(observations))]


class RefusedCloses:
    """Refused closings. They become part of the past when three in a row lie to one side of it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, float]] = []

    def sifted(self, past: SeriesPast, day: int, level: float, strange: bool) -> list[tuple[int, float]]:
        """The closings (day, log price) to add to the past after this one."""
        if not strange:
            self._waiting = []
            return [(day, level)]
        last = past.logs[-1] if past.logs else level
        one_side = all((waiting > last) == (level > last) for _, waiting in self._waiting)
        self._waiting = [*(self._waiting if one_side else ()), (day, level)]
        if len(self._waiting) < NEW_LEVEL:
            return []
        accepted, self._waiting = self._waiting, []
        return accepted


def score_price(
    day: int,
    price_idr: float,
    past: SeriesPast,
    table: Mapping[str, Any] | None,
    commodity: Commodity,
    thresholds: Thresholds,
    space: CrossSection | None,
) -> ScoredPrice:
    """The scores of lakehouse.validation.prices.scores for one price; moves grow with the root of its age."""
    level, known = log(price_idr), past.before(day)
    move = level - known["last"]
    daily = move / sqrt(known["age"]) if isfinite(move) else nan
    away = level - known["level"]
    confirmed = away * move > 0 and abs(away) >= thresholds.confirmation * abs(move)
    score_r = abs(daily) / known["residual_scale"]
    score_g = nan
    gap = nan
    # After a week the national level is another.
    if table is not None and day - epoch_day(table["as_of"]) < FRESH_DAYS:
        gap = level - _number(table["national_level"]) - _number(table["gap_median"])
        score_g = abs(gap) / (_number(table["gap_scale"]) + FLOOR_GAP)
    counted = (
        score_r / thresholds.residual if confirmed else 0.0 if isfinite(move) else nan,
        score_g / thresholds.geographic,
    )
    drift = abs(level - known["average"]) / (known["pace"] * sqrt(28))
    return ScoredPrice(
        strangest=float(np.fmax(*counted)),
        gate=_hard(price_idr, move, known, commodity, thresholds),
        space=space.distance(gap, away) if space is not None and isfinite(gap) and isfinite(away) else nan,
        features=(score_r, score_g, abs(daily) / known["pace"], drift, known["unchanged"]),
        age=known["age"],
    )


def _hard(
    price_idr: float, move: float, known: Mapping[str, float], commodity: Commodity, thresholds: Thresholds
) -> bool:
    """Outside the believable band, or at a power of ten of the last price."""
    if not commodity.band_idr[0] <= price_idr <= commodity.band_idr[1]:
        return True
    if not isfinite(move):
        return False
    power = round(move / log(10))
    wide = max(2 * known["pace"] * sqrt(known["age"]), thresholds.unit_tolerance)
    return power != 0 and abs(move - power * log(10)) <= min(wide, MAX_UNIT_TOLERANCE)


def _number(value: Any) -> float:
    return nan if value is None else float(value)
