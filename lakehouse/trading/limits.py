"""The contract: an order is valid when the account keeps every limit after it. Nothing else decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lakehouse.trading.market_terms import MarketTerms

ZERO = Decimal(0)


@dataclass(frozen=True)
class Limits:
    """Limits of an account: percent, percent, 0 to 1, orders a trading day."""

    max_position_size_pct: Decimal = Decimal(20)
    max_daily_loss_pct: Decimal = Decimal(5)
    min_confidence: Decimal = Decimal("0.65")
    max_daily_trades: int = 50

    @classmethod
    def of(cls, knobs: Mapping[str, Any]) -> "Limits":
        """From the knobs `trading.*`."""
        numbers = ("max_position_size_pct", "max_daily_loss_pct", "min_confidence")
        exact = {name: Decimal(repr(knobs[name])) for name in numbers}
        return cls(**exact, max_daily_trades=knobs["max_daily_trades"])


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

    `positions`: symbol -> quantity; `prices`: symbol -> newest price; `accepted_today`: orders of this
    trading day; `day_open_equity`: equity at its begin.
    """

    cash: Decimal
    day_open_equity: Decimal
    accepted_today: int
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    waiting: Sequence[OpenOrder] = ()

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
    """A limit that an order breaks, and the value that breaks it."""

    rule: str
    limit: Decimal
    actual: Decimal


def verdict_of(broken: Sequence[Violation]) -> dict[str, Any]:
    """The verdict of the contract as JSON values."""
    listed = [
        {"rule": each.rule, "limit": float(each.limit), "actual": float(each.actual)} for each in broken
    ]
    return {"result": "INVALID" if broken else "VALID", "violations": listed}


def violations(
    order: ProposedOrder, state: AccountState, limits: Limits, terms: MarketTerms
) -> list[Violation]:
    """Every limit that the order breaks; none: it is accepted. A value equal to its limit passes, but for
    the daily loss, where it stops."""
    checks = (
        _position(order, state, limits),
        _daily_loss(order, state, limits),
        _at_least("min_confidence", limits.min_confidence, order.confidence),
        _at_most("max_daily_trades", Decimal(limits.max_daily_trades), Decimal(state.accepted_today + 1)),
        _cash(order, state, terms),
        _holding(order, state),
        _at_least("quantity", terms.lot, order.quantity),
    )
    return [violation for violation in checks if violation]


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
