"""The paper account: honest fills, no cent lost, no limit broken, the same account for the same log."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.closed_trades import ClosedTrade, newest_lost
from lakehouse.trading.limits import Limits, ProposedOrder, violations
from lakehouse.trading.market_terms import CRYPTO, MarketTerms, market_terms
from lakehouse.trading.paper_engine import ExitLevels, PaperAccount, PaperOrder
from lakehouse.trading.performance import held_instead, performance
from lakehouse.trading.signals import signal_at
from lakehouse.trading.strategy import FollowedSignal, follow
from tests.lakehouse.trading.made_bars import BEGIN, COIN, paper_bar, paper_bars, random_bars

FREE = MarketTerms(Decimal(0), Decimal(0), Decimal(0), Decimal("0.000001"))


def account(cash: str = "10000.00") -> PaperAccount:
    return PaperAccount(Decimal(cash))


def order(
    side: str,
    quantity: str,
    number: int,
    terms: MarketTerms = FREE,
    trade_id: str = "t",
    interval: str = "1d",
) -> PaperOrder:
    at = BEGIN + number * INTERVALS[interval]
    decided = at + INTERVALS[interval]
    return PaperOrder(trade_id, "COIN", interval, side, Decimal(quantity), at, decided, terms)


def holds_to_the_cent(held: PaperAccount) -> bool:
    cost = sum((position.cost for position in held.positions.values()), Decimal(0))
    exact = held.cash == held.start + held.realised - cost
    return exact and held.equity == held.cash + cost + held.unrealised and held.cash >= 0


def test_order_fills_at_the_next_open_with_costs() -> None:
    held = account()
    held.take(paper_bar(0, "100"))
    held.accept(order("BUY", "2", 0, CRYPTO))
    (fill,) = held.take(paper_bar(1, "110", "120"))
    assert fill.price == Decimal("110.055")  # 5 basis points above the open
    assert fill.fee == Decimal("0.22")  # 10 basis points of 220.11
    assert held.cash == Decimal("9779.67")
    assert held.equity == Decimal("10019.67")
    held.accept(order("SELL", "2", 1, CRYPTO, "u"))
    (sale,) = held.take(paper_bar(2, "130"))
    assert sale.price == Decimal("129.935")
    assert sale.pnl == Decimal("259.87") - Decimal("220.11") - Decimal("0.26")
    assert held.cash == held.equity == Decimal("10039.28")
    (trade,) = held.closed_trades
    assert (trade.net, trade.fees, trade.bars) == (Decimal("39.28"), Decimal("0.48"), 1)
    assert (trade.entry, trade.exit) == ("order", "order")
    assert (trade.opened_at, trade.closed_at) == (BEGIN + timedelta(days=1), BEGIN + timedelta(days=2))
    assert performance(held.closed_trades)["win_rate"] == 1


def test_order_is_not_filled_by_the_bar_that_it_was_decided_at() -> None:
    held = account()
    held.accept(order("BUY", "1", 3))
    assert held.take(paper_bar(3, "100")) == []
    assert len(held.take(paper_bar(4, "100"))) == 1


def test_bar_without_trade_or_open_delays_the_fill_and_is_noted() -> None:
    held = account()
    held.accept(order("BUY", "1", 0))
    assert held.take(paper_bar(1, "100", is_regular=False)) == []
    assert held.take(paper_bar(2, "100", open=None)) == []
    (fill,) = held.take(paper_bar(3, "100"))
    assert fill.is_late
    assert fill.executed_at == BEGIN + timedelta(days=3)


def test_large_order_takes_a_twentieth_of_two_bars_and_the_rest_is_cancelled() -> None:
    held = account("1000000")
    held.accept(order("BUY", "120", 0))
    assert [fill.quantity for day in (1, 2, 3) for fill in held.take(paper_bar(day, "10"))] == [50, 50]
    assert not held.waiting
    assert held.waiting == []


def test_shares_are_traded_in_board_lots() -> None:
    held = account("100000")
    held.accept(order("BUY", "250", 0, market_terms("equity", "IDR")))
    (fill,) = held.take(paper_bar(1, "10", volume=Decimal(100_000)))
    assert fill.quantity == 200


def test_purchase_is_cut_to_what_cash_pays_for() -> None:
    held = account("1000.00")
    held.accept(order("BUY", "9", 0, CRYPTO))
    (fill,) = held.take(paper_bar(1, "200"))  # the price doubled since the decision
    assert Decimal("4.9") < fill.quantity < 5
    assert Decimal(0) <= held.cash < Decimal("0.05")


def test_split_keeps_the_value_of_a_position() -> None:
    held = account()
    held.accept(order("BUY", "10", 0))
    held.take(paper_bar(1, "100"))
    held.take(paper_bar(2, "25", split=Decimal(4)))
    assert held.positions["COIN"].quantity == 40
    assert held.equity == Decimal("10000.00")


def test_buy_and_hold_of_the_symbols_of_an_account() -> None:
    """Half of the start in each of two symbols, from the account's own first purchase of each on."""
    held = account()
    assert held_instead(held.start, {}, held.prices) is None
    held.accept(order("BUY", "2", 0, CRYPTO))
    held.take(paper_bar(1, "100"))
    held.accept(order("SELL", "2", 1, CRYPTO, "u"))
    held.take(paper_bar(2, "300"))
    held.accept(order("BUY", "1", 2, CRYPTO, "v"))
    held.take(paper_bar(3, "200", split=Decimal(2)))
    first = held.bought["COIN"]
    assert (first.price, first.at) == (Decimal("100.15") / 2, BEGIN + timedelta(days=1)), (
        "of a share of today"
    )
    held.take(paper_bar(4, "210"))
    worth = held_instead(
        held.start, {"COIN": first.price, "OTHER": Decimal(50)}, held.prices | {"OTHER": Decimal(25)}
    )
    assert worth == Decimal("23468.55"), "5,000 / 50.075 × 210 and 5,000 / 50 × 25"
    assert held_instead(held.start, {"COIN": first.price}, held.prices) == Decimal("41937.09")


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ({"opening": "100", "high": "109", "low": "96"}, None),
        ({"opening": "100", "high": "111", "low": "96"}, "110"),
        ({"opening": "100", "high": "111", "low": "95"}, "95"),  # both: the stop counts
        ({"opening": "90", "high": "111", "low": "85"}, "90"),  # it opens beyond the stop
        ({"opening": "120", "high": "121", "low": "96"}, "120"),
        ({"opening": "100", "high": "111", "low": "95", "is_regular": False}, None),
    ],
)
def test_position_is_sold_inside_the_bar_that_reaches_a_level(
    bar: dict[str, str | bool], price: str | None
) -> None:
    held = account()
    levels = ExitLevels(Decimal(95), Decimal(110))
    held.accept(replace(order("BUY", "2", 0, CRYPTO), levels=levels))
    (purchase,) = held.take(paper_bar(1, "100", high=Decimal(101), low=Decimal(99)))
    prices = {name: Decimal(str(bar[name])) for name in ("high", "low")}
    fills = held.take(paper_bar(2, str(bar["opening"]), is_regular=bar.get("is_regular", True), **prices))
    assert [fill.price for fill in fills] == ([Decimal(price) * Decimal("0.9995")] if price else [])
    assert holds_to_the_cent(held) and bool(held.positions) == (price is None)
    if price:
        assert (fills[0].trade_id, fills[0].side) == (purchase.trade_id, "SELL")
        (trade,) = held.closed_trades
        assert trade.exit == ("stop" if Decimal(price) <= 95 else "take_profit") and trade.bars == 1
        assert held.take(paper_bar(3, "1", high=Decimal(1), low=Decimal(1))) == []


def test_levels_follow_a_split_and_a_twentieth_of_the_volume() -> None:
    held = account("100000")
    held.accept(replace(order("BUY", "80", 0), levels=ExitLevels(Decimal(90))))
    held.take(paper_bar(1, "100", volume=Decimal(2000), high=Decimal(100), low=Decimal(100)))
    kept = paper_bar(2, "50", split=Decimal(2), high=Decimal(51), low=Decimal(46))
    assert held.take(kept) == [], "the stop is 45 of today's shares"
    for number, sold in ((3, 50), (4, 50), (5, 50), (6, 10)):
        (fill,) = held.take(paper_bar(number, "44", high=Decimal(44), low=Decimal(44)))
        assert fill.quantity == sold
    assert not held.positions and holds_to_the_cent(held)


LIMITS = Limits()
FOUR_LIMITS = ["max_position_size_pct", "max_daily_loss_pct", "min_confidence", "max_daily_trades"]


@pytest.mark.parametrize(
    ("quantity", "confidence", "accepted", "opened", "expected"),
    [
        ("20", "0.65", 49, "10000", []),
        ("20.000001", "0.65", 0, "10000", ["max_position_size_pct"]),
        ("1", "0.649999", 0, "10000", ["min_confidence"]),
        ("1", "0.7", 50, "10000", ["max_daily_trades"]),
        ("1", "0.7", 0, "10526.32", ["max_daily_loss_pct"]),
        ("1", "0.7", 0, "10526.31", []),
        ("50", "0.1", 50, "20000", FOUR_LIMITS),
    ],
)  # fmt: skip
def test_limits_at_their_boundaries(
    quantity: str, confidence: str, accepted: int, opened: str, expected: list[str]
) -> None:
    held = account()
    held.take(paper_bar(0, "100"))
    held.accepted_today = accepted
    held.day_open_equity = Decimal(opened)
    proposed = ProposedOrder("COIN", "BUY", Decimal(quantity), Decimal(100), Decimal(confidence))
    assert [each.rule for each in violations(proposed, held.state(BEGIN), LIMITS, FREE)] == expected


def test_waiting_orders_count_and_nothing_is_sold_twice() -> None:
    held = account()
    held.accept(order("BUY", "15", 0))
    held.take(paper_bar(1, "100"))
    held.accept(order("BUY", "5", 1))
    buying = ProposedOrder("COIN", "BUY", Decimal("0.1"), Decimal(100), Decimal(1))
    assert [each.rule for each in violations(buying, held.state(BEGIN), LIMITS, FREE)] == [
        "max_position_size_pct"
    ]
    held.accept(order("SELL", "10", 1))
    selling = ProposedOrder("COIN", "SELL", Decimal("5.1"), Decimal(100), Decimal(1))
    assert [each.rule for each in violations(selling, held.state(BEGIN), LIMITS, FREE)] == ["holding"]


def trade(net: str, day: float, symbol: str = "COIN") -> ClosedTrade:
    """A trade that was closed in the bar that begins so many days after BEGIN."""
    at = BEGIN + timedelta(days=day)
    return ClosedTrade(symbol, "1d", "order", "order", at, at, Decimal(net), Decimal(0), 1)


@pytest.mark.parametrize(
    ("closed", "side", "days", "most", "bars", "expected"),
    [
        (["-1"] * 4, "BUY", 0.5, 5, 0, []),
        (["-1"] * 5, "BUY", 0.5, 5, 0, ["max_losing_trades"]),
        (["-1"] * 4 + ["0"], "BUY", 0.5, 5, 0, ["max_losing_trades"]),  # a tie is a loss
        (["-1"] * 4 + ["1"] * 3, "BUY", 0.5, 5, 0, []),
        (["-1"] * 9, "BUY", 0.5, 0, 0, []),
        (["-1"] * 9, "SELL", 0.5, 5, 5, []),
        (["-1"] * 5, "BUY", 17 / 24, 5, 0, []),  # the next trading day
        (["-1"] * 5, "BUY", 17 / 24 - 1e-9, 5, 0, ["max_losing_trades"]),
        (["-1"], "BUY", 1, 0, 1, ["symbol_locked"]),
        (["-1"], "BUY", 2 - 1e-9, 0, 1, ["symbol_locked"]),
        (["-1"], "BUY", 2, 0, 1, []),
        (["-1", "1"], "BUY", 5, 0, 5, ["symbol_locked"]),
        (["-1", "1"], "BUY", 6, 0, 5, []),
        (["1"], "BUY", 1, 0, 5, []),
    ],
)
def test_protections_after_losses_at_their_boundaries(
    closed: list[str], side: str, days: float, most: int, bars: int, expected: list[str]
) -> None:
    held = account()
    held.accept(order("BUY", "1", -1))
    held.take(paper_bar(0, "100"))
    trades = [trade(net, 0) for net in closed]
    held.closed_trades, held.lost = trades, newest_lost(trades)
    at = BEGIN + timedelta(days=days)
    limits = Limits(max_losing_trades=most, symbol_lock_bars=bars)
    proposed = ProposedOrder("COIN", side, Decimal(1), Decimal(100), Decimal(1))
    broken = violations(proposed, held.state(at), limits, CRYPTO)
    assert [each.rule for each in broken] == expected
    ends = {
        "max_losing_trades": BEGIN + timedelta(hours=17),
        "symbol_locked": BEGIN + timedelta(days=1 + bars),
    }
    assert [each.until for each in broken] == [ends[rule] for rule in expected]
    for each in broken:
        assert each.until is not None
        later = violations(proposed, held.state(each.until), limits, CRYPTO)
        earlier = violations(proposed, held.state(each.until - timedelta(microseconds=1)), limits, CRYPTO)
        assert each.rule not in {other.rule for other in later}
        assert each.rule in {other.rule for other in earlier}


EVERY_RULE = {*FOUR_LIMITS, "max_losing_trades", "symbol_locked", "cash", "holding", "quantity"}
WIB = timedelta(hours=7)


@pytest.mark.parametrize("interval", ["1d", "5m"])
@pytest.mark.parametrize("orders", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_random_orders_break_no_limit_and_lose_no_cent(orders: int, interval: str) -> None:
    """288 orders of five minutes a trading day break every rule there is."""
    limits = Limits(max_daily_trades=30)  # protections after losses leave fewer than 50
    random = np.random.default_rng(7)
    held = account()
    price = 100.0
    sides = random.choice(["BUY", "SELL"], orders)
    quantities = random.exponential(12, orders) * (random.random(orders) > 0.01)
    confidences = random.uniform(0.5, 1, orders)
    accepted = 0
    rules: Counter[str] = Counter()
    a_day: Counter[date] = Counter()
    opened: dict[date, Decimal] = {}
    lost: Counter[date] = Counter()
    locked_until = -1
    for number in range(orders):
        price *= float(np.exp(random.normal(0, 0.03)))
        volume = Decimal(int(random.integers(1, 2000)))
        close = f"{price * random.uniform(0.97, 1.03):.6f}"
        begin = BEGIN + number * INTERVALS[interval]
        extremes = {"high": Decimal(f"{price * 1.03:.6f}"), "low": Decimal(f"{price * 0.97:.6f}")}
        bar = paper_bar(0, f"{price:.6f}", close, volume=volume, interval=interval, time=begin, **extremes)
        before = len(held.closed_trades)
        held.take(bar)
        assert holds_to_the_cent(held)
        for closed in held.closed_trades[before:]:
            if closed.net <= 0:
                lost[(bar.time + WIB).date()] += 1
                locked_until = number + 4
        day = (bar.closed_at + WIB).date()
        opened.setdefault(day, held.equity)
        held.begin_day(bar.closed_at)
        quantity = CRYPTO.whole_lots(Decimal(repr(float(quantities[number]))))
        confidence = Decimal(repr(float(confidences[number])))
        proposed = ProposedOrder("COIN", str(sides[number]), quantity, bar.close, confidence)
        broken = violations(proposed, held.state(bar.closed_at), limits, CRYPTO)
        rules.update(each.rule for each in broken)
        if not broken:
            accepted += 1
            a_day[day] += 1
            assert a_day[day] <= limits.max_daily_trades
            if proposed.side == "BUY":
                assert 20 * (opened[day] - held.equity) < opened[day], "a day that lost 5 % buys nothing"
                assert lost[day] < 5, "nor one in which five trades lost"
                assert number > locked_until, "nor within five bars after the one in which a trade lost"
            assert confidence >= limits.min_confidence
            value = held.positions["COIN"].quantity * bar.close if held.positions else Decimal(0)
            after = value + (quantity if sides[number] == "BUY" else -quantity) * bar.close
            assert 0 <= after <= held.equity / 5
            trade = order(proposed.side, str(quantity), number, CRYPTO, str(number), interval)
            is_guarded = number % 3 == 0 and proposed.side == "BUY"
            levels = ExitLevels(bar.close * Decimal("0.95"), bar.close * Decimal("1.05"))
            held.accept(replace(trade, levels=levels) if is_guarded else trade)
    assert accepted > orders / 20
    assert interval == "1d" or rules.keys() == EVERY_RULE


def test_trading_day_begins_at_its_hour_and_bounds_orders_and_loss() -> None:
    """Seven hours after midnight of UTC: 17:00 UTC is midnight in Jakarta."""
    for day_hours, next_day in ((7, 17), (0, 24)):
        held = PaperAccount(Decimal(10_000), day_hours)
        held.accept(order("BUY", "20", -1))
        held.take(paper_bar(0, "100", "80", interval="1d"))
        assert (held.day_open_equity, held.equity) == (Decimal("10000.00"), Decimal("9600.00"))
        accepted = held.accepted_today
        held.begin_day(BEGIN + timedelta(hours=next_day, seconds=-1))
        assert (held.day_open_equity, held.accepted_today) == (Decimal("10000.00"), accepted)
        held.begin_day(BEGIN + timedelta(hours=next_day))
        assert (held.day_open_equity, held.accepted_today) == (Decimal("9600.00"), 0)


@pytest.mark.parametrize(
    ("direction", "confidence", "held", "waits", "expected"),
    [
        ("BUY", 0.7, False, False, []),
        ("BUY", 0.7, True, False, ["position_open"]),
        ("BUY", 0.6, True, True, ["position_open", "order_waiting", "min_confidence"]),
        ("BUY", 0.7, False, True, ["order_waiting"]),
        ("SELL", 0.7, True, False, []),
        ("SELL", 0.6, False, False, ["holding", "min_confidence"]),
        ("SELL", 0.7, True, True, ["order_waiting"]),
    ],
)
def test_signal_that_is_not_followed_is_refused_and_changes_nothing(
    direction: str, confidence: float, held: bool, waits: bool, expected: list[str]
) -> None:
    trader = account()
    if held:
        trader.accept(order("BUY", "1", 0))
    trader.take(paper_bar(1, "100"))
    if waits:
        trader.accept(order("BUY", "1", 1, trade_id="u"))
    before = deepcopy(vars(trader))
    signal = FollowedSignal(direction, confidence, 5.0)
    decision = follow(trader, signal, paper_bar(1, "100"), LIMITS, FREE)
    assert decision is not None
    assert [each.rule for each in decision.violations] == expected
    assert (vars(trader) == before) == bool(expected)


def test_following_signals_gives_the_account_that_their_orders_give_when_replayed() -> None:
    bars = random_bars(21, 420, moves=0.01, swing=0.5)
    every = paper_bars(bars)
    limits = Limits(min_confidence=Decimal("0.5"))
    live = account()
    decided: dict[int, PaperOrder] = {}
    for end in range(1, len(bars) + 1):
        live.take(every[end - 1])
        signal = signal_at(bars, end, COIN)
        decision = follow(live, signal, every[end - 1], limits, CRYPTO) if signal else None
        if decision and not decision.violations:
            decided[end - 1] = decision.order
    replayed = account()
    for day, bar in enumerate(every):
        replayed.take(bar)
        if day in decided:
            replayed.accept(decided[day])
    assert len(decided) > 2
    assert vars(replayed) == vars(live)
    assert holds_to_the_cent(live)
