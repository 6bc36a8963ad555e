"""A strategy tested on past bars: walk-forward choice of a variant, costs, benchmarks, and chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.trading.backtest_report import falls, report_of, thinned
from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.market_terms import MarketTerms, market_terms
from lakehouse.trading.performance import performance
from lakehouse.trading.signals import HORIZON, Series
from lakehouse.trading.significance import deflated_sharpe, overfitting_probability, sharpe
from lakehouse.trading.simulation import SimulatedAccount, simulate
from lakehouse.trading.strategies import Invested, Variant

FOLDS = 5
LEAST_BARS = 60
MOST_STEPS = 3_000_000  # bars × variants: about two minutes
LEAST_DEFLATED_SHARPE = 0.95
MOST_OVERFITTING = 0.2
DRAWS = 1_000  # random entries


def held_runs(invested: Invested) -> Iterator[tuple[bool, int]]:
    """(invested, bars) of each run of equal bars."""
    edges = np.flatnonzero(np.diff(invested)) + 1
    for part in np.split(invested, edges):
        if len(part):
            yield bool(part[0]), len(part)


@dataclass(frozen=True)
class Fold:
    """Positions of bars: train [0, train_end), test [test_start, test_end)."""

    train_end: int
    test_start: int
    test_end: int


def folds(bars: int, number: int, purge: int, embargo: int) -> list[Fold]:
    """Up to `number` folds of equal test windows; the train window grows from the first bar.

    `purge`: bars left out before a test window, because what they lead to is known within it. `embargo`: bars
    left out at the begin of the next train part, after a test window. No fold for too few bars.
    """
    edges = np.linspace(bars // (number + 1), bars, number + 1, dtype=int).tolist()
    least = purge + embargo + 2
    return [
        Fold(start - purge - embargo, start, end)
        for start, end in pairwise(edges)
        if start - purge - embargo >= least and end - start >= 2
    ]


class TooFewBars(Exception):
    """The bars are too few to be divided into folds; the message says how many there are."""


class TooManySteps(Exception):
    """Bars × variants are more than MOST_STEPS."""


@dataclass(frozen=True)
class StrategyTest:
    """The result. `trials`: symbol and variant -> Sharpe ratio per bar, of this test."""

    trials: Mapping[str, float]
    chosen: tuple[str, ...]  # variant of each fold
    invested: Invested  # (bars tested,)
    tested: Bars
    account: SimulatedAccount
    held: SimulatedAccount
    pbo: float | None


def run_test(series: Series, bars: Bars, tried: Sequence[Variant]) -> StrategyTest:
    """Test the variants.

    In each fold the variant with the best Sharpe ratio of the bars before is followed; the figures are of the
    test windows alone. Raises TooFewBars or TooManySteps.
    """
    windows = folds(len(bars), FOLDS, purge=HORIZON, embargo=HORIZON)
    if len(bars) < LEAST_BARS or not windows:
        raise TooFewBars(f"{len(bars)} bars are too few: {LEAST_BARS} are needed")
    if len(bars) * len(tried) > MOST_STEPS:
        raise TooManySteps(f"{len(bars)} bars × {len(tried)} variants: choose fewer variants or a part")
    shown = bars.adjusted()  # rules compare prices over time; the account trades the shares of the day
    paths = [variant.decisions(series, shown).invested for variant in tried]
    every = zip(tried, paths, strict=True)
    returns = np.stack(
        [simulate(series, bars, path, [variant] * len(bars)).returns for variant, path in every], axis=1
    )
    best = [best_before(returns, window) for window in windows]
    first = windows[0].test_start
    parts = [paths[n][w.test_start : w.test_end] for n, w in zip(best, windows, strict=True)]
    chosen = [tried[n] for n, w in zip(best, windows, strict=True) for _ in range(w.test_end - w.test_start)]
    end = windows[-1].test_end
    name = series.symbol if series.interval == "1d" else f"{series.symbol} {series.interval}"
    traded = bars.part(first, end)
    account = simulate(series, traded, np.concatenate(parts), chosen)
    return StrategyTest(
        trials={f"{name} {each.label}": sharpe(returns[:, n]) for n, each in enumerate(tried)},
        chosen=tuple(tried[n].label for n in best),
        invested=account.invested,
        tested=shown.part(first, end),
        account=account,
        held=simulate(series, traded, np.ones(len(traded), dtype=bool)),
        pbo=overfitting_probability(returns),
    )


def best_before(returns: Floats, window: Fold) -> int:
    """The variant with the best Sharpe ratio before a test window; of equals the first."""
    known = returns[: window.train_end]
    return int(np.argmax([sharpe(known[:, number]) for number in range(known.shape[1])]))


def figures(
    series: Series, test: StrategyTest, benchmark: str, tried_before: Mapping[str, float]
) -> dict[str, Any]:
    """The test as values of JSON: whether it could be luck first, then what it brought.

    `tried_before`: Sharpe ratios of all that the person has tried, whatever the symbol: who looks at many
    symbols finds one where luck looks like skill.
    """
    ratios = [*{**tried_before, **test.trials}.values()]
    deflated = deflated_sharpe(test.account.returns, ratios)
    own = growth(series, test.account)
    held = growth(series, test.held)
    others = {"buy_and_hold": held["return_pct"], "cash": 0.0, "random": None}
    terms = market_terms(series.asset_class, series.currency)
    refusal = no_profit(deflated, test.pbo, own, held)
    closed = performance(test.account.account.closed_trades)
    metrics = {
        **own,
        "benchmark": benchmark,
        "benchmark_return_pct": others[benchmark],
        "random_entries_beaten": random_share(test.tested, test.invested, terms),
        "invested_share": float(test.invested.mean()),
        "fees": float(test.account.account.fees),
        "turnover": test.account.turnover * series.bars_a_year,
        "trades": closed.pop("total_trades"),
        **closed,
        "bars": len(test.tested),
        "chosen": list(test.chosen),
    }
    chances = {"deflated_sharpe": deflated, "pbo": test.pbo}
    return {
        "trials": len(ratios),
        **chances,
        "profit_claim": refusal is None,
        "verdict": refusal or "these past bars show skill; that is no promise for the future",
        "metrics": metrics,
        "equity": thinned(test.account.equity),
        "against_buy_and_hold": {
            "return_pct": held["return_pct"],
            "sharpe": held["sharpe"],
            "max_drawdown_pct": held["max_drawdown_pct"],
            "difference_pct": own["return_pct"] - held["return_pct"],
            "equity": thinned(test.held.equity),
        },
        "report": report_of(test.tested.time, test.account, test.held, {**chances, **metrics}),
    }


def growth(series: Series, simulation: SimulatedAccount) -> dict[str, Any]:
    """Return and risk of an account; ratios and volatility are annualised.

    Sharpe, volatility: standard deviation with ddof 1. Sortino: root mean square of the losses over all bars.
    Calmar: yearly growth ÷ largest fall.
    """
    returns = simulation.returns
    years = len(returns) / series.bars_a_year
    total = float(simulation.equity[-1] / simulation.equity[0])
    below = float(np.sqrt((np.minimum(returns, 0) ** 2).mean()))
    fall = float(falls(simulation.equity).max())
    yearly = total ** (1 / years) - 1 if total > 0 and years >= 0.25 else None
    annual = sqrt(series.bars_a_year)
    return {
        "return_pct": 100 * (total - 1),
        "cagr_pct": None if yearly is None else 100 * yearly,
        "volatility_pct": 100 * annual * float(returns.std(ddof=1)),
        "sharpe": annual * sharpe(returns) if np.ptp(returns) > 0 else None,
        "sortino": annual * float(returns.mean()) / below if below > 0 else None,
        "max_drawdown_pct": 100 * fall,
        "calmar": yearly / fall if yearly is not None and fall > 0 else None,
    }


def no_profit(
    deflated: float | None, pbo: float | None, own: Mapping[str, Any], held: Mapping[str, Any]
) -> str | None:
    """Why no profit is claimed, in one sentence.

    None where skill is likely enough (both statistics pass) and the return exceeds that of holding.
    """
    if deflated is None:
        return "no profit is claimed: the account never traded, or too few bars were tested"
    if deflated <= LEAST_DEFLATED_SHARPE:
        ratio = f"{deflated:.2f}"
        return f"no profit is claimed: the deflated Sharpe ratio is {ratio}, above 0.95 is needed"
    if pbo is None:
        return "no profit is claimed: overfitting is measured over two variants or more"
    if pbo >= MOST_OVERFITTING:
        share = f"{pbo:.2f}"
        return f"no profit is claimed: the probability of overfitting is {share}, below 0.20 is needed"
    if own["return_pct"] <= max(0.0, held["return_pct"]):
        return "no profit is claimed: holding brought as much"
    return None


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
