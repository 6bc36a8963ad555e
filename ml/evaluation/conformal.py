"""Prediction intervals: split conformal, stretched by the share of prices that they have missed since."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import ceil, exp, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ml.data.panel import Floats
from ml.evaluation.metrics import DECILES
from ml.evaluation.predictions import Ints, Predictions, Selector

LEVELS = (0.8, 0.95)
WINDOW_ORIGINS = 26
# scores of one day are alike: a pool from fewer days is not used, however many scores it has
LEAST_ORIGINS = 8
LEAST_SCORES = {0.8: 20, 0.95: 39}
# An origin that misses 10 points more than the level allows widens the next intervals by e^.1: for its misses
# over all horizons, and again for those at each. Without the second, the week ahead of Panel Harga had
# 82.1 % of prices within 80 % in a half-year, rice 87 %. With it intervals are 1 % worse by their score.
GAIN = 1.0
LEAK = 0.1  # of what was missed before is forgotten at each origin
LARGEST_STRETCH = 4.0  # and its inverse the smallest
# Errors of the newest origins scale the intervals by the root of their size over that of the window: prices
# turn lively within weeks. By the size itself intervals were 1 to 4 % worse by their score.
NEWEST_ORIGINS = 4
LARGEST_RECENT = 2.0
WITHIN = 0.10  # confidence = probability of landing this near to the forecast
LEAST_SERIES = 10  # the share missed at one horizon is noise where fewer series are scored
ALL_HORIZONS = 0
Excess = dict[tuple[str, int, float], float]  # (commodity, horizon or ALL_HORIZONS, level)
BASES = ("commodity_horizon", "horizon", "pooled", "reference")
# Standard deviation of a normal score whose mean absolute value is 1, as that of a daily change over v is.
REFERENCE_SD = sqrt(np.pi / 2)


@dataclass(frozen=True)
class Calibration:
    """Scores s = log(y/f) / (v·√h) of past forecasts of a model, and what intervals have missed too much.

    The scores are pooled over regions: of the commodity at this horizon; when those are few, of all
    commodities at it; then of all. With none, a normal law takes their place (`reference`); v must then be
    the commodity's reference daily volatility. A horizon between two that were scored takes the nearer one's
    scores; one beyond them is pooled.
    """

    score: Floats
    origin: Ints
    commodity_index: Ints  # position in `commodities`
    horizon: Ints
    commodities: tuple[str, ...]
    excess: Excess  # the log of the factor on the half-width is the sum of two
    # (commodity, horizon) -> scores in order, absolute scores in order, origins; filled when first needed
    _pools: dict[tuple[int | None, int | None], tuple[Floats, Floats, int]] = field(
        default_factory=dict, repr=False
    )
    _recent: dict[tuple[int, int], float] = field(default_factory=dict, repr=False)

    def bounds(
        self, commodity: str, horizon: int, forecast: Floats, scale: Floats, level: float
    ) -> tuple[Floats, Floats, str]:
        """(lower, upper, basis) of forecasts in rupiah with scale v: forecast · exp(∓q·stretch·v·√h).

        The stretch is that of what was missed times that of the newest errors.
        """
        q, basis = self.quantile(commodity, horizon, level)
        q *= self.stretch(commodity, horizon, level) * self.recent(commodity, horizon)
        factor: Floats = np.exp(q * scale * sqrt(horizon))
        return forecast / factor, forecast * factor, basis

    def stretch(self, commodity: str, horizon: int, level: float) -> float:
        """Factor on the half-width of log price: above 1 where intervals have missed too often."""
        ahead = (ALL_HORIZONS, self._scored(horizon))
        return exp(bounded(sum(self.excess.get((commodity, each, level), 0.0) for each in ahead)))

    def recent(self, commodity: str, horizon: int) -> float:
        """Factor on the half-width: √(mean |s| of the newest origins / mean |s|); 1 with too few of them."""
        key = self._index(commodity), self._scored(horizon)
        if key not in self._recent:
            own = np.flatnonzero((self.commodity_index == key[0]) & (self.horizon == key[1]))
            size = np.abs(self.score[own])
            newest = size[self.origin[own] >= self._newest_from]
            enough = len(newest) >= LEAST_SCORES[0.8] and size.any()
            ratio = float(newest.mean() / size.mean()) if enough else 1.0
            self._recent[key] = min(max(sqrt(ratio), 1 / LARGEST_RECENT), LARGEST_RECENT)
        return self._recent[key]

    def quantile(self, commodity: str, horizon: int, level: float) -> tuple[float, str]:
        """(the ⌈(n + 1)·level⌉-th smallest |s|, or the largest when n is less; basis)."""
        (_, size), basis = self._scores(commodity, horizon, LEAST_SCORES.get(level, LEAST_SCORES[0.8]))
        if basis == "reference":
            return REFERENCE_SD * NormalDist().inv_cdf((1 + level) / 2), basis
        # rounding guards against (n + 1)·level = 17.000000000000004
        return float(size[min(len(size), max(1, ceil(round((len(size) + 1) * level, 9)))) - 1]), basis

    def quantiles(
        self,
        commodity: str,
        horizon: int,
        forecast: Floats,
        scale: Floats,
        probabilities: Sequence[float] = DECILES,
    ) -> Floats:
        """(predictions, probabilities) rupiah, symmetric in log around the forecast, which is the median."""
        # rounded, as .9 and .1 need the same score
        levels = [round(abs(2 * p - 1), 9) for p in probabilities]
        sizes = {level: self.quantile(commodity, horizon, level)[0] for level in set(levels) - {0.0}}
        q = [np.sign(p - 0.5) * sizes.get(level, 0.0) for p, level in zip(probabilities, levels, strict=True)]
        return forecast[:, None] * np.exp(np.outer(scale * sqrt(horizon), q))

    def confidence(self, commodity: str, horizon: int, scale: Floats, within: float = WITHIN) -> Floats:
        """Probability (0–1) that the price lands within ±`within` of the forecast, from the same scores."""
        (signed, _), basis = self._scores(commodity, horizon, LEAST_SCORES[0.8])
        low, high = (np.log(1 + side * within) / (scale * sqrt(horizon)) for side in (-1, 1))
        if basis == "reference":
            return np.asarray(norm.cdf(high / REFERENCE_SD) - norm.cdf(low / REFERENCE_SD))
        inside = np.searchsorted(signed, high, "right") - np.searchsorted(signed, low, "left")
        return np.asarray(inside / (len(signed) + 1))

    def _scores(self, commodity: str, horizon: int, least: int) -> tuple[tuple[Floats, Floats], str]:
        """((scores, absolute scores), basis) of the first pool with enough scores and origins."""
        index = self._index(commodity)
        horizon = self._scored(horizon)
        for basis, key in zip(BASES, ((index, horizon), (None, horizon), (None, None)), strict=False):
            signed, size, origins = self._pool(*key)
            if len(signed) >= least and origins >= LEAST_ORIGINS:
                return (signed, size), basis
        return (np.empty(0), np.empty(0)), BASES[-1]

    def _index(self, commodity: str) -> int:
        """Position of the commodity; -1 for one without scores."""
        return self.commodities.index(commodity) if commodity in self.commodities else -1

    def _scored(self, horizon: int) -> int:
        """The nearest horizon with scores; the horizon itself where it lies beyond all of them."""
        if self._horizons and self._horizons[0] < horizon < self._horizons[-1]:
            return min(self._horizons, key=lambda scored: abs(scored - horizon))
        return horizon

    @cached_property
    def _newest_from(self) -> int:
        """The first of the NEWEST_ORIGINS; without origins a number beyond all."""
        return int(np.unique(self.origin)[-NEWEST_ORIGINS:].min(initial=np.iinfo(np.int64).max))

    @cached_property
    def _horizons(self) -> list[int]:
        return [int(horizon) for horizon in np.unique(self.horizon)]

    def _pool(self, index: int | None, horizon: int | None) -> tuple[Floats, Floats, int]:
        """(scores in order, their absolute values in order, number of origins); None: of all."""
        if (index, horizon) not in self._pools:
            rows = np.full(len(self.score), True)
            if index is not None:
                rows &= self.commodity_index == index
            if horizon is not None:
                rows &= self.horizon == horizon
            score = self.score[rows]
            origins = len(np.unique(self.origin[rows]))
            self._pools[index, horizon] = (np.sort(score), np.sort(np.abs(score)), origins)
        return self._pools[index, horizon]


def bounded(excess: float) -> float:
    """The excess, at most that of LARGEST_STRETCH in either direction."""
    return min(max(excess, -log(LARGEST_STRETCH)), log(LARGEST_STRETCH))


@dataclass(frozen=True)
class Intervals:
    """The intervals that would have been served with each prediction, from what was known at its origin."""

    lower: dict[float, Floats]  # level -> rupiah
    upper: dict[float, Floats]
    quantiles: Floats  # (predictions, DECILES) rupiah, without adaptation
    confidence: Floats
    basis: npt.NDArray[np.str_]

    @cached_property
    def calibrated(self) -> npt.NDArray[np.bool_]:
        """Predictions whose interval is based on scores; the first origins have none."""
        return np.asarray(self.basis != BASES[-1])

    def select(self, rows: Selector) -> "Intervals":
        """Those of some predictions, by mask or by number."""
        return Intervals(
            {level: bound[rows] for level, bound in self.lower.items()},
            {level: bound[rows] for level, bound in self.upper.items()},
            self.quantiles[rows],
            self.confidence[rows],
            self.basis[rows],
        )


def calibrate(predictions: Predictions, model: str, gain: float = GAIN) -> tuple[Intervals, Calibration]:
    """(intervals of each origin from the origins before it, the calibration after the last one).

    An origin counts once its whole horizon has passed. It then stretches the intervals of each commodity by
    exp(gain · (share missed − (1 − level))), for the share over all horizons and again for that at each: the
    sum of what was missed too much, of which a little is forgotten at each origin, is kept near 0, and with
    it the coverage of every half-year near its level (error integration; Angelopoulos, Candès & Tibshirani
    2023, Conformal PID control).
    """
    horizons = (ALL_HORIZONS, *np.unique(predictions.horizon).tolist())
    excess: Excess = dict.fromkeys(product(predictions.distinct_commodities, horizons, LEVELS), 0.0)
    ratio = np.log(predictions.actual / predictions.forecasts[model])
    score = ratio / (predictions.scale * np.sqrt(predictions.horizon))
    intervals = _empty_intervals(len(predictions))
    origins, first = np.unique(predictions.origin, return_index=True)
    ends = np.r_[first[1:], len(predictions)][: len(first)]
    rows = [slice(begin, end) for begin, end in zip(first, ends, strict=True)]
    longest = int(predictions.horizon.max()) if len(predictions) else 0
    known = 0
    for number, origin in enumerate(origins):
        while origins[known] + longest <= origin:
            _adapt(excess, predictions, intervals, rows[known], gain)
            known += 1
        calibration = _calibration(predictions, score, rows[max(0, known - WINDOW_ORIGINS) : known], excess)
        _fill(intervals, predictions, model, rows[number], calibration)
    for remaining in rows[known:]:
        _adapt(excess, predictions, intervals, remaining, gain)
    return intervals, _calibration(predictions, score, rows[-WINDOW_ORIGINS:], excess)


def _calibration(
    predictions: Predictions, score: Floats, rows: Sequence[slice], excess: Excess
) -> Calibration:
    """From the scores of consecutive origins."""
    scored = slice(rows[0].start, rows[-1].stop) if rows else slice(0, 0)
    return Calibration(
        score[scored],
        predictions.origin[scored],
        predictions.commodity_index[scored],
        predictions.horizon[scored],
        predictions.distinct_commodities,
        dict(excess),
    )


def _empty_intervals(size: int) -> Intervals:
    return Intervals(
        {level: np.full(size, np.nan) for level in LEVELS},
        {level: np.full(size, np.nan) for level in LEVELS},
        np.full((size, len(DECILES)), np.nan),
        np.full(size, np.nan),
        np.full(size, BASES[-1], dtype=f"U{max(map(len, BASES))}"),
    )


def _fill(
    intervals: Intervals, predictions: Predictions, model: str, rows: slice, calibration: Calibration
) -> None:
    """Fill in the intervals of one origin, group by group of commodity × horizon."""
    groups = predictions.commodity_index[rows] * 1_000 + predictions.horizon[rows]
    for group in np.unique(groups):
        numbers = rows.start + np.flatnonzero(groups == group)
        commodity = predictions.distinct_commodities[group // 1_000]
        horizon = int(group % 1_000)
        forecast = predictions.forecasts[model][numbers]
        scale = predictions.scale[numbers]
        for level in intervals.lower:
            lower, upper, basis = calibration.bounds(commodity, horizon, forecast, scale, level)
            intervals.lower[level][numbers] = lower
            intervals.upper[level][numbers] = upper
            intervals.basis[numbers] = basis  # of the last, highest level, which needs most scores
        # basis and stretch differ by level, so the wider interval could lie within the narrower one
        inner, outer = min(LEVELS), max(LEVELS)
        for bounds, wider in ((intervals.lower, np.minimum), (intervals.upper, np.maximum)):
            bounds[outer][numbers] = wider(bounds[outer][numbers], bounds[inner][numbers])
        intervals.quantiles[numbers] = calibration.quantiles(commodity, horizon, forecast, scale)
        intervals.confidence[numbers] = calibration.confidence(commodity, horizon, scale)


def _adapt(excess: Excess, predictions: Predictions, intervals: Intervals, rows: slice, gain: float) -> None:
    """Add to the excess of each commodity what the intervals of one origin missed too much."""
    actual = predictions.actual[rows]
    scored = intervals.basis[rows] != BASES[-1]
    commodity = predictions.commodity_index[rows][scored]
    horizon = predictions.horizon[rows][scored]
    for level in intervals.lower:
        inside = (intervals.lower[level][rows] <= actual) & (actual <= intervals.upper[level][rows])
        missed = ~inside[scored]
        for number in np.unique(commodity):
            own = commodity == number
            parts = {ALL_HORIZONS: own} | {
                int(ahead): part
                for ahead in set(horizon[own])
                if (part := own & (horizon == ahead)).sum() >= LEAST_SERIES
            }
            for ahead, part in parts.items():
                key = predictions.distinct_commodities[number], ahead, level
                too_much = float(missed[part].mean()) - (1 - level)
                excess[key] = bounded((1 - LEAK) * excess[key] + gain * too_much)
