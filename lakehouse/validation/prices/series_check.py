"""Checks of the prices of one series: scores day by day -> votes of the methods, conformal p, severity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from math import isfinite, nan
from typing import Any, Literal

import numpy as np

from lakehouse.reference import commodities
from lakehouse.validation.prices import isolation_forest
from lakehouse.validation.prices.cross_section import CrossSection, cross_section
from lakehouse.validation.prices.series_verdicts import ScoredPrice, score_series, series_of
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Floats

METHODS = ("isolation_forest", "dbscan", "residual")
# Of anomalies: the largest conformal p of each severity.
SEVERITIES = ((1e-4, "critical"), (1e-3, "high"), (1e-2, "medium"), (1.0, "low"))
# Rows: p of the forest cannot fall below 1 / 5,001.
FOREST_CALIBRATION = 5_000
# Days after the closing that a price is compared with; a usual move has grown eightfold by then.
MOST_AGE = 60
Unevaluated = Literal["no_history", "too_new"]
MODEL = f"series-1+{isolation_forest.MODEL}"


@dataclass(frozen=True)
class PriceFinding:
    """The finding on one price.

    `methods`: those whose limit the price exceeds. Residual and forest decide. DBSCAN, whose rule labels one
    province-day in twenty, is only listed with them, unless it is requested alone. `score` = 1 - p, where p
    is the conformal share of ordinary prices that are as strange to the deciding method with the smallest
    share; `severity` is none without an anomaly. `unevaluated`: why nothing can be concluded. no_history: no
    earlier price is known; too_new: the last one is more than MOST_AGE days older, so that most would pass.
    """

    is_anomaly: bool
    score: float
    severity: str
    methods: tuple[str, ...]
    unevaluated: Unevaluated | None = None


def check_series(
    rows: Sequence[Mapping[str, Any]],
    *,
    commodity: str,
    region_code: str | None,
    observations: Sequence[tuple[date, float]],
    methods: Sequence[str],
    knobs: Mapping[str, Any],
) -> list[PriceFinding]:
    """A finding for every (day, price in rupiah), in their order.

    `rows`: gold.series_stats of this commodity and channel, all regions. A price later than the newest
    closing of the region there is judged by that table. Any other price, and all when the region is not in
    it, is judged only by the observations before its day: the tables know what came later. Prices of one day
    do not judge each other. `region_code` None: the nation, by its level.
    """
    thresholds = Thresholds.of(knobs)
    own = series_of(rows, region_code)
    space = cross_section(rows, region_code) if own and "dbscan" in methods else None
    scored = score_series(own, commodities()[commodity], thresholds, space, observations)
    return findings(scored, methods, thresholds, space)


def findings(
    scored: Sequence[ScoredPrice], methods: Sequence[str], thresholds: Thresholds, space: CrossSection | None
) -> list[PriceFinding]:
    """Limits and conformal p of every requested method."""
    trees = forest_scores(scored) if "isolation_forest" in methods else np.full(len(scored), nan)
    usual_r, usual_both, usual_forest = calibration(thresholds.residual, thresholds.geographic)
    results: list[PriceFinding] = []
    for nth, price in enumerate(scored):
        votes: dict[str, tuple[bool, float]] = {}
        if "residual" in methods and (price.gate or isfinite(price.strangest)):
            usual = usual_both if isfinite(price.features[1]) else usual_r
            p = conformal(usual, np.inf if price.gate else price.strangest)
            votes["residual"] = (price.gate or price.strangest > 1, p)
        if isfinite(trees[nth]):
            votes["isolation_forest"] = (
                bool(trees[nth] > thresholds.forest),
                conformal(usual_forest, trees[nth]),
            )
        if "dbscan" in methods and space is not None and not np.isnan(price.space):
            votes["dbscan"] = (price.space > 1, conformal(space.usual, price.space))
        voted = tuple(name for name in METHODS if votes.get(name, (False, 1.0))[0])
        deciding = [votes[name] for name in votes if name != "dbscan" or set(methods) == {"dbscan"}]
        p = min((p for _, p in deciding), default=1.0)
        is_strange = any(passed for passed, _ in deciding)
        if not is_strange and (reason := unevaluated(price, deciding)):
            results.append(PriceFinding(False, 0.0, "none", (), reason))
            continue
        severity = next(name for most, name in SEVERITIES if p <= most) if is_strange else "none"
        results.append(PriceFinding(is_strange, round(1 - p, 6), severity, voted))
    return results


def unevaluated(price: ScoredPrice, deciding: Sequence[tuple[bool, float]]) -> Unevaluated | None:
    """Why nothing can be concluded of a price that no method finds unusual; None where it can."""
    if not deciding:
        return "no_history"
    return "too_new" if price.age > MOST_AGE else None


def forest_scores(scored: Sequence[ScoredPrice]) -> Floats:
    """Isolation-forest score 0..1; NaN for a price without a past."""
    values = np.array([price.features for price in scored], dtype=np.float64)
    scores = np.full(len(scored), nan)
    known = np.isfinite(values[:, 0])
    if known.any():
        scores[known] = isolation_forest.score(values[known])
    return scores


@cache
def calibration(residual: float, geographic: float) -> tuple[Floats, Floats, Floats]:
    """Ascending scores of ordinary prices (`reference_sample`): residual, with the geographic one, forest."""
    sample = isolation_forest.reference_sample()
    alone = sample[:, 0] / residual
    both = np.fmax(alone, sample[:, 1] / geographic)
    return np.sort(alone), np.sort(both), np.sort(isolation_forest.score(sample[:FOREST_CALIBRATION]))


def conformal(usual: Floats, score: float) -> float:
    """p = (1 + how many of n ordinary scores are as large) / (n + 1)."""
    as_large = len(usual) - int(np.searchsorted(usual, score, side="left"))
    return (1 + as_large) / (len(usual) + 1)
