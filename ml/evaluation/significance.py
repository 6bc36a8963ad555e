"""Significance of skill, tested over origins.

Hundreds of series on one day are not hundreds of independent samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite, nan, sqrt

import numpy as np
from scipy.stats import t as student

from ml.data.panel import Floats
from ml.evaluation.predictions import Predictions

BLOCK_ORIGINS = 4
DRAWS = 2_000
ROUNDING = 1e-9  # of the mean: a deviation below it is none
LEAST_ORIGINS = 8  # with fewer there is no test


@dataclass(frozen=True)
class SkillTest:
    """A model against naive on the same predictions. NaN throughout with fewer than LEAST_ORIGINS origins."""

    skill: float  # 1 − MAE / MAE of naive
    t: float  # above 0: the model is better
    p: float  # two-sided
    better: float  # share of origins on which it is
    low: float  # 90 % interval of skill, by bootstrap of blocks of origins
    high: float
    origins: int


def skill_test(predictions: Predictions, model: str) -> SkillTest:
    """Test a model's relative errors against naive's over the origins of these predictions."""
    own = np.abs(predictions.actual - predictions.forecasts[model])
    other = np.abs(predictions.actual - predictions.naive)
    origin, number = np.unique(predictions.origin, return_inverse=True)
    if len(origin) < LEAST_ORIGINS:
        return SkillTest(nan, nan, nan, nan, nan, nan, len(origin))
    difference = np.bincount(number, (other - own) / predictions.actual) / np.bincount(number)
    step = float(np.median(np.diff(origin)))
    t, p = origin_test(difference, int(predictions.horizon.max()), step)
    own_sum = np.bincount(number, own).astype(np.float64)
    other_sum = np.bincount(number, other).astype(np.float64)
    low, high = skill_interval(own_sum, other_sum)
    return SkillTest(
        float(_skill(own_sum.sum(), other_sum.sum())),
        t,
        p,
        float((difference > 0).mean()),
        low,
        high,
        len(origin),
    )


def origin_test(difference: Floats, horizon: int, step: float) -> tuple[float, float]:
    """(t, two-sided p) of mean(difference) = 0, with `step` days between origins.

    Diebold & Mariano (1995) with a Newey–West (Bartlett) long-run variance of max(1, ⌈h/step⌉) lags, and the
    small-sample factor of Harvey, Leybourne & Newbold (1997); n − 1 degrees of freedom.
    """
    n = len(difference)
    steps = max(1, ceil(horizon / step))
    variance = long_run_variance(difference, min(steps, n - 1))
    mean = difference.mean()
    # all differences are equal, but for rounding: no difference when they are 0, else a certain one
    if variance <= (ROUNDING * mean) ** 2:
        return (0.0, 1.0) if mean == 0 else (float(np.copysign(np.inf, mean)), 0.0)
    t = mean / sqrt(variance / n) * sqrt(max(n + 1 - 2 * steps + steps * (steps - 1) / n, 0) / n)
    return float(t), float(2 * student.sf(abs(t), n - 1))


def long_run_variance(values: Floats, lags: int) -> float:
    """γ_0 + 2·Σ_{k=1..lags} (1 − k/(lags + 1))·γ_k (Newey & West 1987)."""
    n = len(values)
    centred = values - values.mean()
    gamma = [float(centred[k:] @ centred[: n - k]) / n for k in range(lags + 1)]
    return gamma[0] + 2 * sum((1 - k / (lags + 1)) * gamma[k] for k in range(1, lags + 1))


def skill_interval(own: Floats, other: Floats, level: float = 0.9) -> tuple[float, float]:
    """Central interval of skill by a moving-block bootstrap over origins (Künsch 1989).

    `own`, `other`: (origins,) summed absolute errors of the model and of naive.
    """
    n = len(own)
    block = min(BLOCK_ORIGINS, n)
    starts = np.random.default_rng(0).integers(0, n - block + 1, (DRAWS, -(-n // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(DRAWS, -1)[:, :n]
    skills = _skill(own[drawn].sum(axis=1), other[drawn].sum(axis=1))
    with np.errstate(invalid="ignore"):  # infinite where naive is without error
        low, high = np.quantile(skills, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def shown(value: float, form: str) -> str:
    """The figure for a person; – for one that does not exist, as skill over a naive without error."""
    return format(value, form) if isfinite(value) else "–"


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p-values corrected for the number of tests (Holm 1979). One that is NaN counts as 1."""
    ordered = sorted(p, key=lambda name: (np.nan_to_num(p[name], nan=1.0), name))
    tests = np.nan_to_num([p[name] for name in ordered], nan=1.0) * np.arange(len(ordered), 0, -1)
    adjusted = dict(zip(ordered, np.maximum.accumulate(np.minimum(tests, 1.0)).tolist(), strict=True))
    return {name: adjusted[name] for name in p}


def _skill(own: Floats | np.float64, other: Floats | np.float64) -> Floats:
    """1 − own/other; 0 where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((own == 0) & (other == 0), 0.0, 1 - np.divide(own, other))
