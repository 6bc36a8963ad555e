"""Whether a strategy's returns could be luck: probabilistic and deflated Sharpe ratio, overfitting.

Sharpe ratios here are per bar, not per year. Sources: Bailey and López de Prado, "The Sharpe ratio efficient
frontier" (2012) and "The deflated Sharpe ratio" (2014); Bailey, Borwein, López de Prado and Zhu, "The
probability of backtest overfitting" (2015).
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb, e, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Returns = npt.NDArray[np.float64]  # (bars,)
NORMAL = NormalDist()
EULER = 0.5772156649015329
LEAST_BARS = 30  # fewer say nothing about a Sharpe ratio
MOST_BLOCKS = 16  # 12,870 ways to divide them in halves
BARS_PER_BLOCK = 10


def sharpe(returns: Returns) -> float:
    """Mean over standard deviation (ddof 1) of the returns of bars; 0 where nothing varies."""
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation if deviation > 1e-15 else 0.0


def probabilistic_sharpe(returns: Returns, threshold: float) -> float | None:
    """Probability that the true Sharpe ratio is above a threshold; None for too few or constant returns."""
    number = len(returns)
    centred = returns - returns.mean() if number else returns
    variance = float((centred**2).mean()) if number else 0.0
    if number < LEAST_BARS or variance < 1e-30:
        return None
    skewness = float((centred**3).mean()) / variance**1.5
    kurtosis = float((centred**4).mean()) / variance**2
    return confidence_above(threshold, sharpe(returns), number, skewness, kurtosis)


def confidence_above(threshold: float, ratio: float, number: int, skewness: float, kurtosis: float) -> float:
    """PSR(SR*) = Φ[(SR − SR*)·√(T − 1) / √(1 − g3·SR + (g4 − 1)/4·SR²)] of T = `number` returns."""
    spread = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    return NORMAL.cdf((ratio - threshold) * sqrt(number - 1) / sqrt(max(spread, 1e-12)))


def expected_best(deviation: float, number: int) -> float:
    """The best Sharpe ratio to expect of so many trials when none has any skill; 0 for a single trial.

    SR* = sd·[(1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))], sd that of the Sharpe ratios of the trials.
    """
    if number < 2:
        return 0.0
    return deviation * (
        (1 - EULER) * NORMAL.inv_cdf(1 - 1 / number) + EULER * NORMAL.inv_cdf(1 - 1 / (number * e))
    )


def deflated_sharpe(returns: Returns, ratios: Sequence[float]) -> float | None:
    """Probability that a strategy has skill, given the Sharpe ratios of every variant that was tried."""
    deviation = float(np.std(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    return probabilistic_sharpe(returns, expected_best(deviation, len(ratios)))


def overfitting_probability(returns: npt.NDArray[np.float64]) -> float | None:
    """How often the best variant of one half of the time is below the median in the other half (PBO).

    `returns`: (bars, variants). Combinatorially symmetric cross-validation over up to 16 blocks of bars. None
    for fewer than two variants, or too few bars.
    """
    bars, variants = returns.shape
    blocks = min(MOST_BLOCKS, bars // BARS_PER_BLOCK // 2 * 2)
    if variants < 2 or blocks < 4:
        return None
    parts = np.array_split(returns, blocks)
    counts = np.array([len(part) for part in parts], dtype=np.float64)
    sums = np.array([part.sum(axis=0) for part in parts])
    squares = np.array([(part**2).sum(axis=0) for part in parts])
    halves = np.zeros((comb(blocks, blocks // 2), blocks), dtype=bool)
    for row, chosen in enumerate(combinations(range(blocks), blocks // 2)):
        halves[row, list(chosen)] = True
    inside = _ratios(halves, counts, sums, squares)
    outside = _ratios(~halves, counts, sums, squares)
    best = inside.argmax(axis=1)
    of_best = outside[np.arange(len(best)), best][:, None]
    below = (outside < of_best).sum(axis=1)
    ties = (outside == of_best).sum(axis=1)
    ranks = below + (ties + 1) / 2
    return float((ranks / (variants + 1) <= 0.5).mean())


def _ratios(
    halves: npt.NDArray[np.bool_], counts: Returns, sums: Returns, squares: Returns
) -> npt.NDArray[np.float64]:
    """Sharpe ratios (halves, variants) from the sums of blocks; 0 where nothing varies."""
    weights = halves.astype(np.float64)
    number = (weights @ counts)[:, None]
    mean = weights @ sums / number
    variance = (weights @ squares / number - mean**2) * number / (number - 1)
    deviation = np.sqrt(np.clip(variance, 0, None))
    return np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 1e-12)
