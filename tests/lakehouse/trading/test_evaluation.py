"""A strategy's test: equal to the cent with the engine, nothing from noise, skill where it is planted."""

from decimal import Decimal

import numpy as np
import pytest

from lakehouse.trading.bars import Bars
from lakehouse.trading.evaluation import (
    TooFewBars,
    TooManySteps,
    figures,
    random_share,
    run_test,
)
from lakehouse.trading.market_terms import CRYPTO
from lakehouse.trading.signals import Series
from lakehouse.trading.simulation import simulate
from lakehouse.trading.strategies import chosen_variants, variants

PRICES = ("open", "high", "low", "close")
SERIES = Series("BTCUSDT", "crypto", "1d", "USDT")


def bars_of(changes: np.ndarray) -> Bars:
    close = 100 * np.exp(changes.cumsum())
    opening = np.concatenate([[100.0], close[:-1]])
    return Bars(
        time=np.arange(len(close)) * 86_400_000_000,
        open=opening,
        high=np.maximum(opening, close) * 1.001,
        low=np.minimum(opening, close) * 0.999,
        close=close,
        volume=np.full(len(close), 1e9),
        regular=np.ones(len(close), dtype=bool),
        split=np.ones(len(close)),
    )


@pytest.fixture(scope="module")
def walk() -> Bars:
    return bars_of(np.random.default_rng(3).normal(0, 0.02, 600))


def test_account_buys_and_sells_at_the_next_open_with_costs(walk: Bars):
    invested = np.zeros(600, dtype=bool)
    invested[10:20] = True
    result = simulate(SERIES, walk, invested)
    bought = Decimal(repr(float(walk.open[11]))) * Decimal("1.0005")
    sold = Decimal(repr(float(walk.open[21]))) * Decimal("0.9995")
    (trade,) = result.trades
    net = trade.net
    assert (trade.opened, trade.closed) == (11, 21)
    share = float(sold * Decimal("0.999") / (bought * Decimal("1.001")) - 1)
    assert float(net) == pytest.approx(10_000 * share, rel=2e-3, abs=0.5)
    quantity = result.traded / float(bought + sold)
    assert float(quantity * float(bought * Decimal("1.001"))) == pytest.approx(10_000, abs=0.5)
    assert result.turnover * 600 * result.equity.mean() == pytest.approx(result.traded / 2)
    assert result.account.cash == 10_000 + net and not result.account.positions
    assert (result.equity[:11] == 10_000).all() and (result.equity[22:] == float(result.account.cash)).all()


def test_account_can_buy_the_board_lots_of_a_dear_share(walk: Bars):
    """A lot of 100 shares of 1,600 yuan costs sixteen times the usual amount."""
    dear = Bars(
        walk.time, *(16 * getattr(walk, name) for name in PRICES), walk.volume, walk.regular, walk.split
    )
    held = simulate(Series("600519_SS", "equity", "1d", "CNY"), dear, np.ones(600, dtype=bool))
    assert held.equity[0] == pytest.approx(20 * 100 * dear.close[0], abs=0.01)
    grown = dear.close[-1] / dear.open[1]
    assert held.equity[-1] / held.equity[0] == pytest.approx(1 + 0.95 * (grown - 1), abs=0.05 * grown)


def test_nothing_is_claimed_of_a_driftless_walk(walk: Bars):
    tried = variants("ma_cross", {"fast": [3, 5, 10, 15], "slow": [20, 30, 50]})
    result = run_test(SERIES, walk, tried)
    shown = figures(SERIES, result, "buy_and_hold", {})
    assert len(result.trials) == 12 and not shown["profit_claim"]
    assert shown["verdict"].startswith("no profit is claimed")
    assert shown["metrics"]["bars"] == 500 and len(shown["equity"]) == 500
    closed = [float(trade.net) for trade in result.account.account.closed_trades]
    metrics = shown["metrics"]
    assert (metrics["best_trade"], metrics["worst_trade"]) == (max(closed), min(closed))
    assert metrics["average_profit"] > 0 > metrics["average_loss"] and len(closed) == metrics["trades"]
    assert metrics["turnover"] == pytest.approx(
        result.account.traded / 2 / result.account.equity.mean() * 365 / 500
    )


def test_nothing_is_claimed_of_any_of_many_walks():
    tried = [*variants("momentum", {"window": [2, 5, 10, 20]}), *variants("breakout", {})]
    for seed in range(10):
        walk = bars_of(np.random.default_rng(seed).normal(0, 0.02, 600))
        assert not figures(SERIES, run_test(SERIES, walk, tried), "cash", {})["profit_claim"], seed


def trending_bars(seed: int) -> Bars:
    """Trends of 30 bars, up or down, in noise."""
    random = np.random.default_rng(seed)
    drift = 0.012 * np.repeat(random.choice([-1, 1], 40), 30)
    return bars_of(drift + random.normal(0, 0.008, 1200))


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_planted_trend_is_found_and_earlier_trials_lower_the_confidence(seed: int):
    random = np.random.default_rng(100 + seed)
    trending = trending_bars(seed)
    tried = variants("momentum", {"window": [2, 5, 10, 20]})
    alone = run_test(SERIES, trending, tried)
    shown = figures(SERIES, alone, "cash", {})
    assert shown["deflated_sharpe"] > 0.95 and shown["pbo"] < 0.2 and shown["trials"] == 4
    assert shown["profit_claim"] and shown["metrics"]["random_entries_beaten"] > 0.95
    noise = {f"tried-{n}": float(ratio) for n, ratio in enumerate(random.normal(0, 0.2, 200))}
    after_many = figures(SERIES, alone, "cash", noise)
    assert after_many["deflated_sharpe"] < shown["deflated_sharpe"] and after_many["trials"] == 204


def test_choice_of_a_fold_sees_nothing_of_its_window(walk: Bars):
    tried = variants("momentum", {"window": [2, 5, 10, 20, 40]})
    whole = run_test(SERIES, walk, tried)
    altered = walk.close.copy()
    altered[500:] *= np.exp(np.random.default_rng(9).normal(0, 0.1, 100).cumsum())
    other = Bars(walk.time, walk.open, walk.high, walk.low, altered, walk.volume, walk.regular, walk.split)
    assert run_test(SERIES, other, tried).chosen == whole.chosen


def test_few_bars_and_many_steps_are_refused(walk: Bars):
    with pytest.raises(TooFewBars):
        run_test(SERIES, walk.part(0, 59), chosen_variants("all", {}))
    with pytest.raises(TooManySteps):
        run_test(SERIES, walk, chosen_variants("all", {}) * 1000)


def test_random_entries_hold_as_often_and_a_strategy_without_trades_has_none(walk: Bars):
    assert random_share(walk, np.zeros(600, dtype=bool), CRYPTO) is None
    luck = [
        random_share(walk, np.random.default_rng(seed).random(600) < 0.5, CRYPTO, seed) or 0.0
        for seed in range(5)
    ]
    assert min(luck) >= 0 and max(luck) <= 1 and 0.1 < np.mean(luck) < 0.9
