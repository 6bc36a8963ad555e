"""Prices of one series given to be judged: scores day by day -> votes of the methods, conformal p, severity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from math import isfinite, nan
from typing import Any

import numpy as np

from lakehouse.reference import commodities
from lakehouse.validation import forest
from lakehouse.validation.cross_section import CrossSection, cross_section
from lakehouse.validation.series_verdicts import Judged, judge, series_of
from lakehouse.validation.thresholds import Thresholds
from lakehouse.validation.windows import Floats

METHODS = ("isolation_forest", "dbscan", "residual")
SEVERITIES = ((1e-4, "critical"), (1e-3, "high"), (1e-2, "medium"), (1.0, "low"))  # conformal p at most; only of anomalies
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
