"""Figures of closed trades, by hand and by published intervals."""

from decimal import Decimal
from typing import Any

import pytest

from lakehouse.trading.closed_trades import ClosedTrade
from lakehouse.trading.market_terms import CENT
from lakehouse.trading.performance import performance, wilson
from tests.lakehouse.trading.made_bars import BEGIN


def closed(*amounts: str, **more: Any) -> list[ClosedTrade]:
    about = {"symbol": "COIN", "interval": "1d", "entry": "order", "exit": "order", "bars": 1, "fees": CENT}
    times = {"opened_at": BEGIN, "closed_at": BEGIN}
    return [ClosedTrade(**{**about, **times, **more, "net": Decimal(amount)}) for amount in amounts]


def test_figures_of_trades_equal_those_by_hand():
    """Two wins of 30 and 20, a loss of 10, and a tie, which counts as a loss."""
    figures = performance(closed("30.00", "-10.00", "0.00", "20.00"))
    assert (figures["total_trades"], figures["win_rate"]) == (4, 0.5)
    assert (figures["average_profit"], figures["average_loss"]) == (25.0, -5.0)
    assert (figures["payoff"], figures["expectancy"]) == (5.0, 10.0)
    assert (figures["best_trade"], figures["worst_trade"]) == (30.0, -10.0)
    assert figures["win_rate_low"] == pytest.approx(0.15003898915214953, abs=1e-12)
    assert figures["win_rate_high"] == pytest.approx(0.8499610108478505, abs=1e-12)


def test_what_no_trade_shows_is_null():
    nothing = performance([])
    assert nothing["total_trades"] == 0 and set(nothing.values()) == {0, None}
    won = performance(closed("1.00"))
    assert won["average_loss"] is None and won["payoff"] is None and won["expectancy"] == 1
    lost = performance(closed("-1.00"))
    assert lost["average_profit"] is None and lost["payoff"] is None and lost["win_rate"] == 0
    tie = performance(closed("1.00", "0.00"))
    assert tie["payoff"] is None, "a mean loss of zero divides nothing"


@pytest.mark.parametrize(
    ("wins", "trades", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_equals_published_ones(wins: int, trades: int, low: float, high: float):
    """R. G. Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3."""
    assert wilson(wins, trades) == pytest.approx((low, high), abs=5e-5)
