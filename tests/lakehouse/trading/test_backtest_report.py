"""The report of a backtest: trades by hand, sums that agree with the account, null figures with a reason."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lakehouse.trading.backtest_report import (
    NOT_KNOWN,
    NOT_SIMULATED,
    bar_points,
    falls,
    histogram,
    holding_times,
    months,
    report_of,
    thinned,
)
from lakehouse.trading.bars import Bars
from lakehouse.trading.evaluation import figures, run_test
from lakehouse.trading.simulation import SimulatedAccount, simulate
from lakehouse.trading.strategies import Invested, Variant, variants
from lakehouse.translation import catalog
from tests.lakehouse.trading.made_bars import BEGIN, COIN, DAY, random_bars

PLAIN = Variant("momentum", {"window": 5})
GUARDED = Variant("momentum", {"window": 5, "stop_pct": 5, "take_profit_pct": 10})


def steady_bars(close: list[float]) -> Bars:
    """Each bar opens at the close before, and moves no further than between the two."""
    closes = np.array(close)
    opening = np.concatenate([closes[:1], closes[:-1]])
    time = int(BEGIN.timestamp() * 1e6) + DAY * np.arange(len(close), dtype=np.int64)
    high, low = np.maximum(opening, closes), np.minimum(opening, closes)
    ones = np.ones(len(close))
    return Bars(time, opening, high, low, closes, 1e9 * ones, ones > 0, ones)


def invested_in(bars: Bars, *spans: tuple[int, int]) -> Invested:
    invested = np.zeros(len(bars), dtype=bool)
    for start, end in spans:
        invested[start:end] = True
    return invested


def followed(bars: Bars, variant: Variant, *spans: tuple[int, int]) -> SimulatedAccount:
    return simulate(COIN, bars, invested_in(bars, *spans), [variant] * len(bars))


def report(bars: Bars, account: SimulatedAccount) -> dict:
    held = simulate(COIN, bars, np.ones(len(bars), dtype=bool))
    return report_of(bars.time, account, held, {"sharpe": 1.0})


def test_trades_of_a_small_example() -> None:
    bars = steady_bars([100, 100, 100, 110, 120, 120, 120, 90, 90, 99])
    shown = report(bars, followed(bars, PLAIN, (1, 4), (7, 10)))
    held, closed = shown["trades"]  # the newest first
    assert (closed["entry"], closed["exit"]) == ("momentum(window=5)", "momentum(window=5)")
    assert (closed["opened_at"], closed["closed_at"]) == ("2024-01-03T00:00:00Z", "2024-01-06T00:00:00Z")
    assert closed["entry_price"] == pytest.approx(100 * 1.0005, abs=1e-3)
    assert closed["exit_price"] == pytest.approx(120 * 0.9995, abs=1e-3)
    gained = closed["quantity"] * (closed["exit_price"] - closed["entry_price"]) - closed["fees"]
    assert closed["net_pnl"] == pytest.approx(gained, abs=0.02) and closed["bars"] == 3
    assert closed["return_pct"] == pytest.approx(100 * (1.2 * 0.9995 / 1.0005 - 1) - 0.22, abs=0.01)
    assert (held["exit"], held["closed_at"]) == ("end", "2024-01-10T00:00:00Z")
    assert held["exit_price"] == pytest.approx(99, abs=1e-3)
    assert [sum(bin["trades"] for bin in shown[name]) for name in ("pnl_histogram", "holding_bars")] == [1, 1]
    assert [(row["exit"], row["trades"], row["wins"]) for row in shown["reasons"]] == [
        ("end", 1, 0),
        ("momentum(window=5)", 1, 1),
    ]


def test_stop_ends_a_trade_until_the_strategy_enters_again() -> None:
    bars = steady_bars([100, 100, 100, 97, 90, 90, 100, 100, 104, 112, 112, 112])
    account = followed(bars, GUARDED, (1, 6), (7, 12))
    stopped, sold = account.trades
    assert (stopped.exit, stopped.opened, stopped.closed) == ("stop", 2, 4)
    assert float(stopped.sold / stopped.quantity) == pytest.approx(95 * 0.9995)
    assert (sold.exit, sold.opened, sold.closed) == ("take_profit", 8, 9)
    assert float(sold.sold / sold.quantity) == pytest.approx(110 * 0.9995)
    assert account.invested.tolist() == [False, True, True, True, *[False] * 3, True, True, *[False] * 3]
    without = followed(bars, PLAIN, (1, 6), (7, 12))
    assert [trade.exit for trade in without.trades] == [PLAIN.label, "end"]


def test_split_within_a_trade_changes_no_result() -> None:
    bars = steady_bars([100.0, 100, 100, 105, 120, 120, 120, 120])
    before = np.arange(8) < 4
    prices = {
        name: np.where(before, 2 * getattr(bars, name), getattr(bars, name))
        for name in ("open", "high", "low", "close")
    }
    split = replace(bars, split=np.where(np.arange(8) == 4, 2.0, 1.0), **prices)
    (whole,), (parted,) = (report(each, followed(each, GUARDED, (1, 6)))["trades"] for each in (bars, split))
    assert parted["exit"] == whole["exit"] == "take_profit"
    for name in ("entry_price", "exit_price", "quantity", "net_pnl", "return_pct"):
        assert parted[name] == pytest.approx(whole[name], rel=1e-5, abs=0.05), name


@pytest.mark.parametrize("parameters", [{}, {"stop_pct": [2, 4], "take_profit_pct": 6}])
def test_report_adds_up_to_the_account(parameters: dict) -> None:
    bars = random_bars(31, 900)
    test = run_test(COIN, bars, variants("momentum", {"window": [5, 20], **parameters}))
    result = figures(COIN, test, "random", {})
    shown, metrics = result["report"], result["metrics"]
    start, end = (float(test.account.equity[at]) for at in (0, -1))
    assert sum(row["net_pnl"] for row in shown["reasons"]) == pytest.approx(end - start, abs=1e-6)
    assert np.prod([1 + row["return_pct"] / 100 for row in shown["months"]]) == pytest.approx(end / start)
    held = result["against_buy_and_hold"]["return_pct"]
    assert np.prod([1 + row["held_pct"] / 100 for row in shown["months"]]) == pytest.approx(1 + held / 100)
    assert max(point["drawdown_pct"] for point in shown["bars"]) == metrics["max_drawdown_pct"]
    assert (shown["bars"][0]["equity"], shown["bars"][-1]["equity"]) == (start, end)
    for name in ("pnl_histogram", "holding_bars"):
        assert sum(bin["trades"] for bin in shown[name]) == metrics["trades"] > 10
    assert sum(row["wins"] for row in shown["reasons"]) == pytest.approx(
        metrics["win_rate"] * metrics["trades"]
    )
    assert sum(trade["fees"] for trade in shown["trades"]) == pytest.approx(metrics["fees"])
    assert len(shown["trades"]) == shown["trades_total"] == sum(row["trades"] for row in shown["reasons"])
    levels = {row["exit"] for row in shown["reasons"]} & {"stop", "take_profit"}
    assert levels == ({"stop", "take_profit"} if parameters else set())


def test_null_figure_is_named_with_its_reason_and_is_never_zero() -> None:
    bars = random_bars(32, 300)
    idle = run_test(COIN, bars, variants("rsi_reversion", {"period": 100, "low": 1, "high": 99}))
    result = figures(COIN, idle, "random", {})
    named = {each["name"]: each["reason"] for each in result["report"]["unknown"]}
    null = {name for name, value in {**result, **result["metrics"]}.items() if value is None}
    assert {"sharpe", "sortino", "calmar", "win_rate", "deflated_sharpe", "pbo"} < null
    assert set(named) == null | set(NOT_SIMULATED)
    assert result["report"]["trades"] == result["report"]["pnl_histogram"] == []


def test_reasons_have_an_indonesian_text() -> None:
    assert {*NOT_SIMULATED.values(), *NOT_KNOWN.values()} <= set(catalog())


def test_curve_keeps_its_ends_and_its_deepest_fall() -> None:
    equity = np.linspace(100, 200, 5000)
    assert thinned(equity)[0] == 100 and thinned(equity)[-1] == 200 and len(thinned(equity)) == 500
    assert falls(np.array([100.0, 150.0, 75.0, 160.0])).max() == 0.5
    equity[3333] = 1.0
    time = int(BEGIN.timestamp() * 1e6) + DAY * np.arange(5000, dtype=np.int64)
    points = bar_points(time, equity, equity)
    assert len(points) <= 500 and min(point["equity"] for point in points) == 1


def test_months_begin_with_the_first_bar() -> None:
    time = int(BEGIN.timestamp() * 1e6) + DAY * np.arange(15, 75, dtype=np.int64)  # 2024-01-16 to 2024-03-15
    equity = np.linspace(100, 159, 60)
    shown = months(time, equity, equity)
    assert [row["month"] for row in shown] == ["2024-01", "2024-02", "2024-03"]
    assert shown[0]["return_pct"] == pytest.approx(15.0)  # 16 bars, from 100 to 115


def test_ranges_hold_every_value_once() -> None:
    values = np.random.default_rng(1).normal(0, 50, 900).tolist()
    lengths = list(range(1, 90))
    assert sum(each["trades"] for each in histogram(values)) == 900 and len(histogram(values)) == 20
    assert sum(each["trades"] for each in holding_times(lengths)) == 89 and len(holding_times(lengths)) <= 20
    assert holding_times([3, 3]) == [{"low": 3, "high": 4, "trades": 2}]
    assert histogram([]) == holding_times([]) == []


def test_results_of_trades_are_those_of_the_engine() -> None:
    bars = random_bars(33, 400)
    account = followed(bars, GUARDED, *((start, start + 12) for start in range(5, 380, 20)))
    assert not account.account.positions and len(account.trades) > 10
    assert sum((trade.net for trade in account.trades), Decimal(0)) == account.account.realised
    assert sum((trade.fees for trade in account.trades), Decimal(0)) == account.account.fees
