"""How far a price may land from its forecast: split conformal intervals, kept honest by what has been missed since."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from ml.cells import Cells
from ml.metrics import DECILES
from ml.panel import Floats

LEVELS = (0.8, 0.95)
WINDOW_ORIGINS = 26
LEAST_ORIGINS = 8  # scores of one day are alike: a pool from fewer days says little, however many scores it has
LEAST_SCORES = {0.8: 20, 0.95: 39}
GAMMA = 0.02
ALPHA_BOUNDS = (0.01, 0.5)
WITHIN = 0.10  # confidence = probability of landing this near to the forecast
BASES = ("commodity_horizon", "horizon", "pooled", "reference")
REFERENCE_SD = sqrt(np.pi / 2)  # of a normal score whose mean absolute value is 1, as that of a daily change over v is


@dataclass(frozen=True)
class Calibration:
    """Scores s = log(y/f) / (v·√h) of past forecasts of one model, and per commodity how often its intervals may miss now.

    The scores are pooled over regions: of the commodity at this horizon; when those are few, of all commodities at it, then of
    all; with none, a normal law takes their place (`reference`: v must then be the commodity's reference daily volatility).
    A horizon between two that were scored takes the nearer one's scores; one beyond them is pooled.
    """

    score: Floats
    origin: npt.NDArray[np.int64]
    good: npt.NDArray[np.int64]  # number in `goods`
    horizon: npt.NDArray[np.int64]
    goods: tuple[str, ...]
    alpha: dict[tuple[str, float], float]  # (commodity, level) → share that may miss; 1 − level where nothing is known
    _pools: dict[tuple[int | None, int | None], tuple[Floats, Floats, int]] = field(default_factory=dict, repr=False)

    def bounds(self, commodity: str, horizon: int, forecast: Floats, scale: Floats, level: float) -> tuple[Floats, Floats, str]:
        """(lower, upper, basis): forecast · exp(∓q·v·√h)."""
        q, basis = self.quantile(commodity, horizon, level, self.alpha.get((commodity, level)))
        away = np.exp(q * scale * sqrt(horizon))
        return forecast / away, forecast * away, basis

    def quantile(self, commodity: str, horizon: int, level: float, alpha: float | None = None) -> tuple[float, str]:
        """(the ⌈(n + 1)(1 − α)⌉-th smallest |s|, or the largest when n is less; basis)."""
        alpha = 1 - level if alpha is None else alpha
        (_, size), basis = self._scores(commodity, horizon, LEAST_SCORES.get(level, LEAST_SCORES[0.8]))
        if basis == "reference":
            return REFERENCE_SD * NormalDist().inv_cdf(1 - alpha / 2), basis
        # rounding guards against (n + 1)(1 − α) = 17.000000000000004
        return float(size[min(len(size), max(1, ceil(round((len(size) + 1) * (1 - alpha), 9)))) - 1]), basis

    def quantiles(self, commodity: str, horizon: int, forecast: Floats, scale: Floats, at: Sequence[float] = DECILES) -> Floats:
        """(cells, probabilities) rupiah, symmetric in log around the forecast, which is the median."""
        # rounded, as .9 and .1 ask for the same score
        away = {level: self.quantile(commodity, horizon, level)[0] for level in {round(abs(2 * p - 1), 9) for p in at} - {0.0}}
        q = [np.sign(p - 0.5) * away.get(round(abs(2 * p - 1), 9), 0.0) for p in at]
        return forecast[:, None] * np.exp(np.outer(scale * sqrt(horizon), q))

    def confidence(self, commodity: str, horizon: int, scale: Floats, within: float = WITHIN) -> Floats:
        """Probability (0–1) that the price lands within ±`within` of the forecast, by the law of the same scores."""
        (signed, _), basis = self._scores(commodity, horizon, LEAST_SCORES[0.8])
        low, high = (np.log(1 + side * within) / (scale * sqrt(horizon)) for side in (-1, 1))
        if basis == "reference":
            return norm.cdf(high / REFERENCE_SD) - norm.cdf(low / REFERENCE_SD)
        return (np.searchsorted(signed, high, "right") - np.searchsorted(signed, low, "left")) / (len(signed) + 1)

    def _scores(self, commodity: str, horizon: int, least: int) -> tuple[tuple[Floats, Floats], str]:
        good = self.goods.index(commodity) if commodity in self.goods else -1
        if self._horizons and self._horizons[0] < horizon < self._horizons[-1]:  # one between those that were scored
            horizon = min(self._horizons, key=lambda scored: abs(scored - horizon))
        for basis, key in zip(BASES, ((good, horizon), (None, horizon), (None, None)), strict=False):
            signed, size, origins = self._pool(*key)
            if len(signed) >= least and origins >= LEAST_ORIGINS:
                return (signed, size), basis
        return (np.empty(0), np.empty(0)), BASES[-1]

    @cached_property
    def _horizons(self) -> list[int]:
        return [int(horizon) for horizon in np.unique(self.horizon)]

    @cached_property
    def _rows(self) -> dict[tuple[int | None, int | None], npt.NDArray[np.int64]]:
        """Scores of each commodity at each horizon, found once for all."""
        key = self.good * 1_000 + self.horizon
        order = np.argsort(key, kind="stable")
        keys, first = np.unique(key[order], return_index=True)
        parts = np.split(order, first[1:]) if len(keys) else []
        return {(int(one) // 1_000, int(one) % 1_000): part for one, part in zip(keys, parts, strict=True)}

    def _pool(self, good: int | None, horizon: int | None) -> tuple[Floats, Floats, int]:
        """(scores in order, their absolute values in order, how many origins they come from)."""
        if (good, horizon) not in self._pools:
            if good is not None:
                rows = self._rows.get((good, horizon), np.empty(0, dtype=np.int64))
            else:
                rows = np.flatnonzero(self.horizon == horizon) if horizon is not None else np.arange(len(self.score))
            score = self.score[rows]
            self._pools[good, horizon] = (np.sort(score), np.sort(np.abs(score)), len(np.unique(self.origin[rows])))
        return self._pools[good, horizon]


@dataclass(frozen=True)
class Bands:
    """What would have been served with each cell's forecast, known at its origin."""

    lower: dict[float, Floats]  # level → rupiah
    upper: dict[float, Floats]
    quantiles: Floats  # (cells, DECILES) rupiah, without adaptation
    confidence: Floats
    basis: npt.NDArray[np.str_]

    @cached_property
    def calibrated(self) -> npt.NDArray[np.bool_]:
        """Cells whose interval rests on scores; the first origins have none."""
        return self.basis != BASES[-1]

    def where(self, rows: npt.NDArray[np.generic]) -> "Bands":
        """Those of some cells, by mask or by number."""
        lower, upper = ({level: bound[rows] for level, bound in side.items()} for side in (self.lower, self.upper))
        return Bands(lower, upper, self.quantiles[rows], self.confidence[rows], self.basis[rows])


def replay(
    cells: Cells, model: str, levels: Sequence[float] = LEVELS, gamma: float = GAMMA, window: int = WINDOW_ORIGINS
) -> tuple[Bands, Calibration]:
    """Go through the origins as they came: what each would have been given, and the calibration that stands at the end.

    An origin counts once its whole horizon has passed. After it α of each commodity moves by γ·(1 − level − share missed)
    (adaptive conformal inference, Gibbs & Candès 2021), within ALPHA_BOUNDS.
    """
    alpha = {(good, level): 1 - level for good in cells.goods for level in levels}
    score = np.log(cells.actual / cells.forecasts[model]) / (cells.scale * np.sqrt(cells.horizon))
    bands = _empty_bands(len(cells), levels)
    origins, first = np.unique(cells.origin, return_index=True)
    rows = [slice(begin, end) for begin, end in zip(first, np.r_[first[1:], len(cells)][: len(first)], strict=True)]
    longest, known = (int(cells.horizon.max()) if len(cells) else 0), 0
    for nth, origin in enumerate(origins):
        while origins[known] + longest <= origin:
            _adapt(alpha, cells, bands, rows[known], gamma)
            known += 1
        _fill(bands, cells, model, rows[nth], _calibration(cells, score, rows[max(0, known - window) : known], alpha))
    for left in rows[known:]:
        _adapt(alpha, cells, bands, left, gamma)
    return bands, _calibration(cells, score, rows[-window:], alpha)


def _calibration(cells: Cells, score: Floats, rows: Sequence[slice], alpha: dict[tuple[str, float], float]) -> Calibration:
    seen = slice(rows[0].start, rows[-1].stop) if rows else slice(0, 0)
    return Calibration(score[seen], cells.origin[seen], cells.good[seen], cells.horizon[seen], cells.goods, dict(alpha))


def _empty_bands(size: int, levels: Sequence[float]) -> Bands:
    def column() -> Floats:
        return np.full(size, np.nan)

    names = np.full(size, BASES[-1], dtype=f"U{max(map(len, BASES))}")
    return Bands({at: column() for at in levels}, {at: column() for at in levels}, np.full((size, 9), np.nan), column(), names)


def _fill(bands: Bands, cells: Cells, model: str, rows: slice, calibration: Calibration) -> None:
    """Bands of one origin's cells, group by group of commodity × horizon."""
    group = cells.good[rows] * 1_000 + cells.horizon[rows]
    for one in np.unique(group):
        at = rows.start + np.flatnonzero(group == one)
        good, horizon = cells.goods[one // 1_000], int(one % 1_000)
        forecast, scale = cells.forecasts[model][at], cells.scale[at]
        for level in bands.lower:
            bands.lower[level][at], bands.upper[level][at], basis = calibration.bounds(good, horizon, forecast, scale, level)
            bands.basis[at] = basis  # of the last, highest level: the most demanding
        inner, outer = min(bands.lower), max(bands.lower)  # bases may differ, so one could lie within the other
        bands.lower[outer][at] = np.minimum(bands.lower[outer][at], bands.lower[inner][at])
        bands.upper[outer][at] = np.maximum(bands.upper[outer][at], bands.upper[inner][at])
        bands.quantiles[at] = calibration.quantiles(good, horizon, forecast, scale)
        bands.confidence[at] = calibration.confidence(good, horizon, scale)


def _adapt(alpha: dict[tuple[str, float], float], cells: Cells, bands: Bands, rows: slice, gamma: float) -> None:
    actual, good, judged = cells.actual[rows], cells.good[rows], bands.basis[rows] != BASES[-1]
    narrower: dict[str, float] = {}
    for level in sorted(bands.lower):
        missed = (actual < bands.lower[level][rows]) | (actual > bands.upper[level][rows])
        for number in np.unique(good[judged]):
            key = cells.goods[number], level
            share = missed[judged & (good == number)].mean()
            moved = float(np.clip(alpha[key] + gamma * (1 - level - share), *ALPHA_BOUNDS))
            # a wider interval never misses more than a narrower one may
            alpha[key] = narrower[key[0]] = min(moved, narrower.get(key[0], 1.0))
