"""Deflated Sharpe ratio, overfitting and folds equal purgedcv's; return and risk equal quantstats'."""

from decimal import Decimal
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kurtosis, skew

from lakehouse.trading.evaluation import folds, growth
from lakehouse.trading.paper_engine import PaperAccount
from lakehouse.trading.signals import Series
from lakehouse.trading.significance import (
    confidence_above,
    deflated_sharpe,
    expected_best,
    overfitting_probability,
    sharpe,
)
from lakehouse.trading.simulation import SimulatedAccount

# Walk with a drift (seed, bars, drift a bar, bars a year) -> Sharpe, Sortino, CAGR, drawdown, Calmar,
# volatility, total return of quantstats 0.0.86 with pandas 3.1.1 and numpy 2.4.6. Its outputs are kept here:
# it would install yfinance and 41 MB.
QUANTSTATS = {
    (1, 730, 0.0, 365): (
        *(-1.0921761461139619, -1.4687709551289485, -0.38176684822238693, -0.6730400533774086),
        *(-0.5672275317146844, 0.3754314850918964, -0.6177877700431189),
    ),
    (2, 504, 0.002, 252): (
        *(0.6798840975337311, 1.0175008336957265, 0.1815276585545118, -0.2940290460501731),
        *(0.6173800207600441, 0.32074941405912744, 0.3960076079293069),
    ),
    (3, 504, -0.001, 252): (
        *(0.0827240089146548, 0.1163499072111674, -0.023563609214265813, -0.2895517833741871),
        *(-0.08137960312202469, 0.316364668850594, -0.04657197474932895),
    ),
    (4, 1000, 0.003, 365): (
        *(2.64729096160766, 4.140540231593484, 1.5877891748621047, -0.36107774140105386),
        *(4.397360991295573, 0.3880098091212228, 12.530443507736072),
    ),
}
SERIES = {
    365: Series("BTCUSDT", "crypto", "1d", "USDT"),
    252: Series("AAPL", "equity", "1d", "USD"),
}


@pytest.fixture(scope="module")
def purgedcv() -> ModuleType:
    return pytest.importorskip("purgedcv", reason="./run.sh setup installs purgedcv")


def walk(seed: int, bars: int, drift: float) -> np.ndarray:
    returns = np.random.default_rng(seed).normal(drift, 0.02, bars)
    returns[0] = 0.0
    return returns


@pytest.mark.parametrize("given", QUANTSTATS, ids=str)
def test_return_and_risk_equal_those_of_quantstats(given: tuple[int, int, float, int]):
    *random, year = given
    equity = 10_000 * np.cumprod(1 + walk(*random))
    held = np.ones(len(equity), dtype=bool)
    figures = growth(SERIES[year], SimulatedAccount(PaperAccount(Decimal(10_000)), equity, 0.0, held, []))
    ratio, sortino, yearly, fall, calmar, volatility, total = QUANTSTATS[given]
    expected = {
        "sharpe": ratio,
        "sortino": sortino,
        "cagr_pct": 100 * yearly,
        "max_drawdown_pct": -100 * fall,
        "calmar": calmar,
        "volatility_pct": 100 * volatility,
        "return_pct": 100 * total,
    }
    assert figures == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("drift", [0.0, 0.001, 0.003])
@pytest.mark.parametrize("trials", [1, 2, 40])
def test_deflated_sharpe_ratio_equals_that_of_purgedcv(purgedcv: ModuleType, drift: float, trials: int):
    returns = walk(5, 600, drift) ** 3 * 1e3  # skewed, with fat tails
    ratios = [sharpe(walk(seed, 600, drift)) for seed in range(trials)]
    spread = float(np.var(ratios, ddof=1)) if trials > 1 else 0.0
    expected = purgedcv.deflated_sharpe_ratio(returns, trials, spread)
    # It divides by the standard deviation with ddof 0, and corrects skewness and kurtosis for their bias.
    ratio = float(returns.mean() / returns.std())
    moments = float(skew(returns, bias=False)), float(kurtosis(returns, bias=False, fisher=False))
    threshold = expected_best(spread**0.5, trials)
    assert confidence_above(threshold, ratio, len(returns), *moments) == pytest.approx(expected, rel=1e-9)
    assert deflated_sharpe(returns, ratios) == pytest.approx(expected, abs=1e-3), "ours differs by 1/bars"


@pytest.mark.parametrize("planted", [0.0, 0.2])
@pytest.mark.parametrize(("bars", "variants"), [(80, 6), (85, 9), (61, 4)])
def test_probability_of_overfitting_equals_that_of_purgedcv(
    purgedcv: ModuleType, bars: int, variants: int, planted: float
):
    returns = np.random.default_rng(bars).normal(0, 1, (bars, variants))
    returns[:, 1] += planted
    expected = purgedcv.probability_of_backtest_overfitting(returns.T, n_splits=bars // 10 // 2 * 2)
    at_median = float((np.abs(expected.logits) < 1e-12).mean())  # counts as overfitted with us alone
    assert overfitting_probability(returns) == pytest.approx(expected.pbo + at_median, abs=1e-12)


@pytest.mark.parametrize("horizon", [1, 5])
def test_folds_leave_out_what_purgedcv_purges(purgedcv: ModuleType, horizon: int):
    """A train bar is left out when its outcome, known `horizon` bars later, lies within the test window."""
    begin = pd.Series(pd.date_range("2024-01-01", periods=600))
    splitter = purgedcv.WalkForwardSplit(
        5, 100, prediction_times=begin, evaluation_times=begin + pd.Timedelta(days=horizon)
    )
    own = folds(600, number=5, purge=horizon, embargo=0)
    for (train, test), fold in zip(splitter.split(np.zeros((600, 1))), own, strict=True):
        assert (test[0], test[-1]) == (fold.test_start, fold.test_end - 1)
        assert fold.train_end <= train[-1] + 1 <= fold.train_end + 1
