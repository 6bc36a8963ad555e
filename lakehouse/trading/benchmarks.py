"""What a strategy is measured against: holding, cash, and entries at random times with equal turnover."""

import numpy as np
import numpy.typing as npt

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.market_terms import MarketTerms
from lakehouse.trading.simulation import held_runs
from lakehouse.trading.strategies import Invested

DRAWS = 1_000


def random_share(bars: Bars, invested: Invested, terms: MarketTerms, seed: int = 0) -> float | None:
    """Share of random entries with a lower total return than the strategy; a tie counts half.

    A random entry holds as often and as long as the strategy, at other times, with the same costs. None for a
    strategy that never or always holds.
    """
    runs = list(held_runs(invested))
    if len(runs) < 2:
        return None
    own = total_return(bars, invested, terms)
    drawn = np.array([total_return(bars, path, terms) for path in random_paths(runs, len(invested), seed)])
    return float((drawn < own).mean() + (drawn == own).mean() / 2)


def total_return(bars: Bars, invested: Invested, terms: MarketTerms) -> float:
    """Log return of holding while invested, from the open after a decision, costs of each side taken off."""
    opening = np.where(np.isnan(bars.open), bars.close, bars.open)
    change = np.zeros(len(invested))
    change[:-2] = np.log(opening[2:] / opening[1:-1])
    entries = np.diff(np.concatenate([[0], invested.astype(np.int64)]))
    buying = np.log1p(-float(terms.fee_rate("BUY") + terms.slippage / 10_000))
    selling = np.log1p(-float(terms.fee_rate("SELL") + terms.slippage / 10_000))
    return float(change[invested].sum() + (entries > 0).sum() * buying + (entries < 0).sum() * selling)


def random_paths(runs: list[tuple[bool, int]], bars: int, seed: int) -> npt.NDArray[np.bool_]:
    """(DRAWS, bars) the runs of holding in random order, with gaps of random lengths between them."""
    random = np.random.default_rng(seed)
    held = np.array([length for is_held, length in runs if is_held])
    free = bars - int(held.sum())
    paths = np.zeros((DRAWS, bars), dtype=bool)
    for path in paths:
        gaps = np.diff(np.sort(random.integers(0, free + 1, len(held))), prepend=0)
        position = 0
        for gap, length in zip(gaps, random.permutation(held), strict=True):
            position += int(gap)
            path[position : position + length] = True
            position += int(length)
    return paths


def drawdown(equity: Floats) -> float:
    """The largest fall from a former high, 0 to 1."""
    return float((1 - equity / np.maximum.accumulate(equity)).max()) if len(equity) else 0.0
