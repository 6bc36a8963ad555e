"""Figures of closed trades, by hand and by published intervals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from lakehouse.trading.closed_trades import ClosedTrade
from lakehouse.trading.market_terms import CENT
from lakehouse.trading.performance import By, by_key, performance, wilson
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


def test_results_add_up_by_symbol_reason_and_period_of_jakarta():
    late = datetime(2026, 11, 29, 17, tzinfo=UTC)  # Monday in Jakarta
    trades = [
        *closed("10.00", "-4.00", closed_at=late - timedelta(seconds=1), entry="signal", exit="stop"),
        *closed("0.00", closed_at=late, symbol="BTC"),
        *closed("5.00", closed_at=datetime(2026, 12, 31, 18, tzinfo=UTC), exit="take_profit"),
    ]
    wanted = {
        "symbol": {"BTC": 0.0, "COIN": 11.0},
        "day": {"2027-01-01": 5.0, "2026-11-30": 0.0, "2026-11-29": 6.0},
        "week": {"2026-W53": 5.0, "2026-W49": 0.0, "2026-W48": 6.0},
        "month": {"2027-01": 5.0, "2026-11": 6.0},
        "entry": {"order": 5.0, "signal": 6.0},
        "exit": {"order": 0.0, "stop": 6.0, "take_profit": 5.0},
    }
    for by in get_args(By):
        rows = by_key(trades, by, 7)
        assert list({row["key"]: row["net_pnl"] for row in rows}.items()) == list(wanted[by].items())
        assert (sum(row["trades"] for row in rows), sum(row["wins"] for row in rows)) == (4, 2)
        assert sum(row["fees"] for row in rows) == pytest.approx(0.04)
    (of_day,) = [row for row in by_key(trades, "day", 7) if row["key"] == "2026-11-29"]
    assert of_day == {
        "key": "2026-11-29",
        "trades": 2,
        "wins": 1,
        "net_pnl": 6.0,
        "average_pnl": 3.0,
        "fees": 0.02,
    }
