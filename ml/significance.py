"""Whether a model beats naive by more than luck, asked of origins: hundreds of series on one day are not hundreds of samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, nan, sqrt

import numpy as np
from scipy.stats import t as student

from ml.cells import Cells
from ml.panel import Floats

BLOCK_ORIGINS, DRAWS = 4, 2_000
LEAST_ORIGINS = 8  # with fewer no test is worth its name


@dataclass(frozen=True)
class Verdict:
    """A model against naive on the same cells. NaN throughout when there are fewer than LEAST_ORIGINS origins."""

    skill: float  # 1 − MAE / MAE of naive
    t: float  # above 0: the model is better
    p: float  # two-sided
    better: float  # share of origins on which it is
    low: float  # 90 % interval of skill, by bootstrap of blocks of origins
    high: float
    origins: int


def verdict(cells: Cells, model: str, seed: int = 0) -> Verdict:
    """Test a model's relative errors against naive's over the origins of these cells."""
    own, other = np.abs(cells.actual - cells.forecasts[model]), np.abs(cells.actual - cells.naive)
    origin, nth = np.unique(cells.origin, return_inverse=True)
    if len(origin) < LEAST_ORIGINS:
        return Verdict(nan, nan, nan, nan, nan, nan, len(origin))
    difference = np.bincount(nth, (other - own) / cells.actual) / np.bincount(nth)
    t, p = origin_test(difference, int(cells.horizon.max()), float(np.median(np.diff(origin))))
    sums = np.bincount(nth, own), np.bincount(nth, other)
    low, high = skill_interval(*sums, seed=seed)
    return Verdict(float(_skill(*(part.sum() for part in sums))), t, p, float((difference > 0).mean()), low, high, len(origin))


def origin_test(difference: Floats, horizon: int, step: float) -> tuple[float, float]:
    """(t, two-sided p) of mean(difference) = 0, `step` days between origins.

    Diebold & Mariano (1995) with a Newey–West (Bartlett) long-run variance of max(1, ⌈h/step⌉) lags, and the small-sample
    factor of Harvey, Leybourne & Newbold (1997); n − 1 degrees of freedom.
    """
    n, steps = len(difference), max(1, ceil(horizon / step))
    variance = long_run_variance(difference, min(steps, n - 1))
    if variance <= 0:  # all differences alike: nothing to tell apart when they are 0, no doubt when they are not
        mean = difference.mean()
        return (0.0, 1.0) if mean == 0 else (float(np.copysign(np.inf, mean)), 0.0)
    t = difference.mean() / sqrt(variance / n) * sqrt(max(n + 1 - 2 * steps + steps * (steps - 1) / n, 0) / n)
    return float(t), float(2 * student.sf(abs(t), n - 1))


def long_run_variance(values: Floats, lags: int) -> float:
    """γ_0 + 2·Σ_{k=1..lags} (1 − k/(lags + 1))·γ_k (Newey & West 1987)."""
    centred, n = values - values.mean(), len(values)
    gamma = [float(centred[k:] @ centred[: n - k]) / n for k in range(lags + 1)]
    return gamma[0] + 2 * sum((1 - k / (lags + 1)) * gamma[k] for k in range(1, lags + 1))


def skill_interval(
    own: Floats, other: Floats, level: float = 0.9, block: int = BLOCK_ORIGINS, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Central interval of skill from errors summed per origin: origins are drawn in blocks of neighbours (Künsch 1989)."""
    n = len(own)
    block = min(block, n)
    starts = np.random.default_rng(seed).integers(0, n - block + 1, (draws, -(-n // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :n]
    low, high = np.quantile(_skill(own[drawn].sum(axis=1), other[drawn].sum(axis=1)), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p-values that hold together (Holm 1979). One that is NaN counts as 1."""
    ordered = sorted(p, key=lambda name: (np.nan_to_num(p[name], nan=1.0), name))
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * float(np.nan_to_num(p[name], nan=1.0))))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}


def _skill(own: Floats, other: Floats) -> Floats:
    """1 − own/other; 0 where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((own == 0) & (other == 0), 0.0, 1 - np.divide(own, other))
