"""The contract: an order is valid when the account keeps every limit after it. Nothing else decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from lakehouse.times import utc_text
from lakehouse.trading.closed_trades import ClosedTrade
from lakehouse.trading.market_terms import MarketTerms
from lakehouse.trading.sessions import bars_since, time_after_bars

ZERO = Decimal(0)


@dataclass(frozen=True)
class Limits:
    """Limits of an account: percent, percent, 0 to 1, orders a trading day; protections after losses.

    `max_losing_trades`: of a trading day; `symbol_lock_bars`: bars of a symbol. 0: none.
    """

    max_position_size_pct: Decimal = Decimal(20)
    max_daily_loss_pct: Decimal = Decimal(5)
    min_confidence: Decimal = Decimal("0.65")
    max_daily_trades: int = 50
    max_losing_trades: int = 5
    symbol_lock_bars: int = 5

    @classmethod
    def of(cls, knobs: Mapping[str, Any]) -> "Limits":
        """From the knobs `trading.*`."""
        numbers = ("max_position_size_pct", "max_daily_loss_pct", "min_confidence")
        exact: dict[str, Any] = {name: Decimal(repr(knobs[name])) for name in numbers}
        whole = ("max_daily_trades", "max_losing_trades", "symbol_lock_bars")
        return cls(**exact | {name: knobs[name] for name in whole})


@dataclass(frozen=True)
class ProposedOrder:
    """An order before its decision. `mark`: newest price of the symbol; `confidence`: of its side."""

    symbol: str
    side: str
    quantity: Decimal
    mark: Decimal
    confidence: Decimal


@dataclass(frozen=True)
class OpenOrder:
    """An accepted order, or the part of it that waits for its fill."""

    symbol: str
    side: str
    quantity: Decimal


@dataclass(frozen=True)
class AccountState:
    """What the limits are measured against.

    `at`: when; `day_ends`: end of its trading day; `day_open_equity`: equity at the begin of that day,
    `accepted_today`: orders of it, `lost_today`: trades closed in it that lost; `positions`: symbol ->
    quantity; `prices`: symbol -> newest price; `lost`: symbol -> newest trade that lost.
    """

    at: datetime
    day_ends: datetime
    cash: Decimal
    day_open_equity: Decimal
    accepted_today: int
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    waiting: Sequence[OpenOrder] = ()
    lost_today: int = 0
    lost: Mapping[str, ClosedTrade] = field(default_factory=dict)

    @property
    def equity(self) -> Decimal:
        """Cash and positions at their newest prices."""
        return self.cash + sum((self.positions[s] * self.prices[s] for s in self.positions), ZERO)

    def waiting_quantity(self, symbol: str, side: str) -> Decimal:
        """Quantity of the waiting orders of one side."""
        orders = (order for order in self.waiting if order.symbol == symbol and order.side == side)
        return sum((order.quantity for order in orders), ZERO)


@dataclass(frozen=True)
class Violation:
    """A limit that an order breaks, and the value that breaks it. `until`: when that ends; None: unknown."""

    rule: str
    limit: Decimal
    actual: Decimal
    until: datetime | None = None


def verdict_of(broken: Sequence[Violation]) -> dict[str, Any]:
    """The verdict of the contract as JSON values."""
    return {"result": "INVALID" if broken else "VALID", "violations": [values_of(each) for each in broken]}


def values_of(broken: Violation) -> dict[str, Any]:
    """A violation as JSON values."""
    until = None if broken.until is None else utc_text(broken.until)
    return {
        "rule": broken.rule,
        "limit": float(broken.limit),
        "actual": float(broken.actual),
        "until": until,
    }


def violations(
    order: ProposedOrder, state: AccountState, limits: Limits, terms: MarketTerms
) -> list[Violation]:
    """Every limit that the order breaks; none: it is accepted.

    A value equal to its limit passes, but for the daily loss and trades that lost, where it stops.
    """
    checks = (
        _position(order, state, limits),
        _daily_loss(order, state, limits),
        _at_least("min_confidence", limits.min_confidence, order.confidence),
        _at_most("max_daily_trades", Decimal(limits.max_daily_trades), Decimal(state.accepted_today + 1)),
        None if order.side == "SELL" else day_lock(state, limits),
        None if order.side == "SELL" else symbol_lock(order.symbol, state, limits, terms),
        _cash(order, state, terms),
        _holding(order, state),
        _at_least("quantity", terms.lot, order.quantity),
    )
    return [violation for violation in checks if violation]


def day_lock(state: AccountState, limits: Limits) -> Violation | None:
    """Nothing is bought until the next trading day once too many trades of the day have lost."""
    if not 0 < limits.max_losing_trades <= state.lost_today:
        return None
    most = Decimal(limits.max_losing_trades)
    return Violation("max_losing_trades", most, Decimal(state.lost_today), state.day_ends)


def symbol_lock(symbol: str, state: AccountState, limits: Limits, terms: MarketTerms) -> Violation | None:
    """A symbol is not bought for some of its bars after the one in which a trade of it lost."""
    lost = state.lost.get(symbol)
    if lost is None:
        return None
    bars = limits.symbol_lock_bars
    passed = bars_since(terms.exchange, lost.interval, lost.closed_at, state.at)
    if passed >= bars:
        return None
    until = time_after_bars(terms.exchange, lost.interval, lost.closed_at, bars)
    return Violation("symbol_locked", Decimal(bars), Decimal(passed), until)


def _at_most(rule: str, limit: Decimal, actual: Decimal) -> Violation | None:
    return Violation(rule, limit, actual) if actual > limit else None


def _at_least(rule: str, limit: Decimal, actual: Decimal) -> Violation | None:
    return Violation(rule, limit, actual) if actual < limit else None


def _position(order: ProposedOrder, state: AccountState, limits: Limits) -> Violation | None:
    """Value held after the order and the waiting purchases; a waiting sale may not fill and counts 0."""
    held = state.positions.get(order.symbol, ZERO) + state.waiting_quantity(order.symbol, "BUY")
    after = held + order.quantity if order.side == "BUY" else held - order.quantity
    equity = state.equity
    rule = "max_position_size_pct"
    if equity <= 0:
        return Violation(rule, limits.max_position_size_pct, Decimal(100)) if after > 0 else None
    value = after * order.mark
    if 100 * value <= limits.max_position_size_pct * equity:
        return None
    return Violation(rule, limits.max_position_size_pct, 100 * value / equity)


def _daily_loss(order: ProposedOrder, state: AccountState, limits: Limits) -> Violation | None:
    """After such a loss only orders that reduce a position pass."""
    if order.side == "SELL":
        return None
    opened = state.day_open_equity
    lost = opened - state.equity
    if opened > 0 and 100 * lost < limits.max_daily_loss_pct * opened:
        return None
    actual = 100 * lost / opened if opened > 0 else Decimal(100)
    return Violation("max_daily_loss_pct", limits.max_daily_loss_pct, actual)


def _cash(order: ProposedOrder, state: AccountState, terms: MarketTerms) -> Violation | None:
    """No credit: cash covers this purchase and the waiting ones with their costs."""
    if order.side == "SELL":
        return None
    waiting = sum(
        (other.quantity * state.prices[other.symbol] for other in state.waiting if other.side == "BUY"), ZERO
    )
    price = terms.fill_price("BUY", Decimal(1)) * (1 + terms.fee_rate("BUY"))
    return _at_most("cash", state.cash, (waiting + order.quantity * order.mark) * price)


def _holding(order: ProposedOrder, state: AccountState) -> Violation | None:
    """No short sales: what is held and not yet promised to a waiting sale."""
    if order.side == "BUY":
        return None
    free = state.positions.get(order.symbol, ZERO) - state.waiting_quantity(order.symbol, "SELL")
    return _at_most("holding", free, order.quantity)
