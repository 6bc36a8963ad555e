"""Prices of one series day by day, each scored by what came before it: the scores of the stream without the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite, log, nan, sqrt
from typing import Any

import numpy as np

from lakehouse.reference import Commodity
from lakehouse.validation.cross_section import CrossSection
from lakehouse.validation.price_panel import FRESH_DAYS
from lakehouse.validation.price_scores import FLOOR_GAP, MAX_UNIT_TOLERANCE
from lakehouse.validation.series_past import Past, epoch_day
from lakehouse.validation.thresholds import Thresholds

NEW_LEVEL = 3  # anomalies in a row to one side after which their level is the series' own


@dataclass(frozen=True)
class Judged:
    """One price before the forest: `strangest` 1 is the limit of the residual scores, `space` 1 that of DBSCAN; NaN: none."""

    strangest: float
    gate: bool  # off by a power of ten, or outside what is believable at all
    space: float
    features: tuple[float, ...]  # forest.FEATURES


def series_of(rows: Sequence[Mapping[str, Any]], region_code: str | None) -> Mapping[str, Any] | None:
    """The row that stands for the region: its province-wide series, else its best known market; the nation has its level."""
    known = [row for row in rows if row["last_log"] is not None and row["last_day"] is not None]
    if region_code is None:
        newest = max(known, key=lambda row: row["last_day"], default=None)
        if newest is None or newest["national_level"] is None:
            return None
        level = dict.fromkeys(("last_log", "level_7", "average_28"), newest["national_level"])
        return {**newest, **level, "own_scale": None, "residual_scale": None, "gap_median": None, "change_day": None}
    here = [row for row in known if row["region_code"] == region_code]
    return max(here, key=lambda row: (row["level"] == "province", row["n"] or 0), default=None)


def judge(
    own: Mapping[str, Any] | None,
    good: Commodity,
    thresholds: Thresholds,
    space: CrossSection | None,
    observations: Sequence[tuple[date, float]],
) -> list[Judged]:
    """Day by day; the last price given of a day is its closing."""
    past, table, refused = Past.unknown(good), None, Refused()
    judged: dict[int, Judged] = {}
    by_day: dict[int, list[int]] = {}
    for place, (given, _) in enumerate(observations):
        by_day.setdefault(epoch_day(given), []).append(place)
    for day, places in sorted(by_day.items()):
        if own is not None and table is None and day > epoch_day(own["last_day"]):
            past, table, refused = Past.of_table(own, good), own, Refused()
        for place in places:
            judged[place] = verdict(day, observations[place][1], past, table, good, thresholds, space)
        closing = judged[places[-1]]
        for accepted in refused.sifted(past, day, log(observations[places[-1]][1]), closing.gate or closing.strangest > 1):
            past.take(*accepted)
    return [judged[place] for place in range(len(observations))]


class Refused:
    """What was refused does not become the past, until it has come three times in a row to one side of it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, float]] = []

    def sifted(self, past: Past, day: int, level: float, strange: bool) -> list[tuple[int, float]]:
        """The closings (day, log price) that the past takes up after this one."""
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


def verdict(
    day: int,
    price_idr: float,
    past: Past,
    table: Mapping[str, Any] | None,
    good: Commodity,
    thresholds: Thresholds,
    space: CrossSection | None,
) -> Judged:
    """The scores of lakehouse.validation.price_scores for one price, by its past; moves grow with the root of its age."""
    level, known = log(price_idr), past.before(day)
    move = level - known["last"]
    daily = move / sqrt(known["age"]) if isfinite(move) else nan
    away = level - known["level"]
    confirmed = away * move > 0 and abs(away) >= thresholds.confirmation * abs(move)
    score_r = abs(daily) / known["residual_scale"]
    score_g, gap = nan, nan
    if table is not None and day - epoch_day(table["as_of"]) < FRESH_DAYS:  # after a week the national level is another
        gap = level - _number(table["national_level"]) - _number(table["gap_median"])
        score_g = abs(gap) / (_number(table["gap_scale"]) + FLOOR_GAP)
    counted = (score_r / thresholds.residual if confirmed else 0.0 if isfinite(move) else nan, score_g / thresholds.geographic)
    drift = abs(level - known["average"]) / (known["pace"] * sqrt(28))
    return Judged(
        strangest=float(np.fmax(*counted)),
        gate=_hard(price_idr, move, known, good, thresholds),
        space=space.distance(gap, away) if space is not None and isfinite(gap) and isfinite(away) else nan,
        features=(score_r, score_g, abs(daily) / known["pace"], drift, known["unchanged"]),
    )


def _hard(price_idr: float, move: float, known: Mapping[str, float], good: Commodity, thresholds: Thresholds) -> bool:
    """Outside the believable band, or at a power of ten of the last price."""
    if not good.band_idr[0] <= price_idr <= good.band_idr[1]:
        return True
    if not isfinite(move):
        return False
    power = round(move / log(10))
    wide = max(2 * known["pace"] * sqrt(known["age"]), thresholds.unit_tolerance)
    return power != 0 and abs(move - power * log(10)) <= min(wide, MAX_UNIT_TOLERANCE)


def _number(value: Any) -> float:
    return nan if value is None else float(value)
