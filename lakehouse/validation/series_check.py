"""Prices of one series judged day by day, each by what came before it: the scores of the stream without the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from math import isfinite, log, nan, sqrt
from typing import Any

import numpy as np

from lakehouse.reference import Commodity, commodities
from lakehouse.validation import forest
from lakehouse.validation.cross_section import CrossSection, cross_section
from lakehouse.validation.price_panel import FRESH_DAYS
from lakehouse.validation.price_scores import FLOOR_GAP, MAX_UNIT_TOLERANCE
from lakehouse.validation.series_past import Past, epoch_day
from lakehouse.validation.thresholds import Thresholds
from lakehouse.validation.windows import Floats

METHODS = ("isolation_forest", "dbscan", "residual")
SEVERITIES = ((1e-4, "critical"), (1e-3, "high"), (1e-2, "medium"), (1.0, "low"))  # conformal p at most; only of anomalies
NEW_LEVEL = 3  # anomalies in a row to one side after which their level is the series' own
FOREST_CALIBRATION = 5_000  # rows: a forest's p cannot fall below 1 / 5,001
MODEL = f"series-1+{forest.MODEL}"


@dataclass(frozen=True)
class Finding:
    """`methods`: those whose limit the price passes. Residual and forest decide; DBSCAN, which sets one province-day in twenty
    apart by its very rule, only stands beside them, unless it is asked for alone. `score` = 1 - p, p the conformal share of
    ordinary prices that are as strange to the deciding method that finds it strangest; `severity` is none without an anomaly.
    """

    is_anomaly: bool
    score: float
    severity: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """One price before the forest: `strangest` 1 is the limit of the residual scores, `space` 1 that of DBSCAN; NaN: none."""

    strangest: float
    gate: bool  # off by a power of ten, or outside what is believable at all
    space: float
    features: tuple[float, ...]  # forest.FEATURES


def check_series(
    rows: Sequence[Mapping[str, Any]],
    *,
    commodity: str,
    region_code: str | None,
    observations: Sequence[tuple[date, float]],
    methods: Sequence[str],
    knobs: Mapping[str, Any],
) -> list[Finding]:
    """A finding for every (day, price in rupiah), in their order.

    `rows`: gold.series_stats of this commodity and channel, all regions. A price later than the region's newest closing there is
    judged by that table; any other, and all when the region is not in it, by the observations before its day alone: the tables
    know what came later. Prices of one day do not judge each other. `region_code` None: the nation, by its level.
    """
    good, thresholds = commodities()[commodity], Thresholds.of(knobs)
    own = series_of(rows, region_code)
    space = cross_section(rows, region_code) if own and "dbscan" in methods else None
    judged = judge(own, good, thresholds, space, observations)
    return found(judged, methods, thresholds, space)


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
    """Day by day. What is refused does not become the past, until it has come three times in a row to one side."""
    past, table = Past.unknown(good), None
    last_day = epoch_day(own["last_day"]) if own else None
    judged: list[Judged | None] = [None] * len(observations)
    refused: list[tuple[int, float]] = []
    days: dict[int, list[int]] = {}
    for place, (day, _) in enumerate(observations):
        days.setdefault(epoch_day(day) or 0, []).append(place)
    for day in sorted(days):
        if own is not None and table is None and last_day is not None and day > last_day:
            past, table, refused = Past.of_table(own, good), own, []
        for place in days[day]:
            judged[place] = verdict(day, observations[place][1], past, table, good, thresholds, space)
        closing = days[day][-1]  # the last given of a day is its closing
        level, said = log(observations[closing][1]), judged[closing]
        assert said is not None
        if not (said.gate or said.strangest > 1):
            refused = []
            past.take(day, level)
            continue
        last = past.logs[-1] if past.logs else level
        alike = [one for one in refused if (one[1] > last) == (level > last)]
        refused = [*alike, (day, level)] if len(alike) == len(refused) else [(day, level)]
        if len(refused) >= NEW_LEVEL:
            for one in refused:
                past.take(*one)
            refused = []
    return [one for one in judged if one is not None]


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
    if table is not None and day - (epoch_day(table["as_of"]) or day) < FRESH_DAYS:  # after a week the national level is another
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


def found(judged: Sequence[Judged], methods: Sequence[str], thresholds: Thresholds, space: CrossSection | None) -> list[Finding]:
    """Limits and conformal p of every method that was asked for."""
    trees = forest_scores(judged) if "isolation_forest" in methods else np.full(len(judged), nan)
    usual_r, usual_both, usual_forest = calibration(thresholds.residual, thresholds.geographic)
    findings = []
    for nth, one in enumerate(judged):
        said: dict[str, tuple[bool, float]] = {}
        if "residual" in methods and (one.gate or isfinite(one.strangest)):
            usual = usual_both if isfinite(one.features[1]) else usual_r
            p = conformal(usual, np.inf if one.gate else one.strangest)
            said["residual"] = (one.gate or one.strangest > 1, p)
        if isfinite(trees[nth]):
            said["isolation_forest"] = (bool(trees[nth] > thresholds.forest), conformal(usual_forest, trees[nth]))
        if "dbscan" in methods and space is not None and not np.isnan(one.space):
            said["dbscan"] = (one.space > 1, conformal(space.usual, one.space))
        voted = tuple(name for name in METHODS if said.get(name, (False, 1.0))[0])
        deciding = [said[name] for name in said if name != "dbscan" or set(methods) == {"dbscan"}]
        p = min((p for _, p in deciding), default=1.0)
        strange = any(passed for passed, _ in deciding)
        severity = next(name for most, name in SEVERITIES if p <= most) if strange else "none"
        findings.append(Finding(strange, round(1 - p, 6), severity, voted))
    return findings


def forest_scores(judged: Sequence[Judged]) -> Floats:
    """Isolation-forest score 0..1; NaN for a price without a past."""
    values = np.array([one.features for one in judged], dtype=np.float64)
    scores = np.full(len(judged), nan)
    known = np.isfinite(values[:, 0])
    if known.any():
        scores[known] = forest.score(values[known])
    return scores


@cache
def calibration(residual: float, geographic: float) -> tuple[Floats, Floats, Floats]:
    """Ascending scores of ordinary prices (forest.reference_sample): residual alone, with the geographic one, forest."""
    sample = forest.reference_sample()
    alone = sample[:, 0] / residual
    both = np.fmax(alone, sample[:, 1] / geographic)
    return np.sort(alone), np.sort(both), np.sort(forest.score(sample[:FOREST_CALIBRATION]))


def conformal(usual: Floats, score: float) -> float:
    """p = (1 + how many of n ordinary scores are as large) / (n + 1)."""
    as_large = len(usual) - int(np.searchsorted(usual, score, side="left"))
    return (1 + as_large) / (len(usual) + 1)


def _number(value: Any) -> float:
    return nan if value is None else float(value)
