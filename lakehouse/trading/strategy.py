"""Signals -> orders of an account that follows them: the same for the house account and for backtests."""

from dataclasses import dataclass
from decimal import Decimal

from lakehouse.trading.limits import Limits, ProposedOrder, Violation, violations
from lakehouse.trading.market_terms import MarketTerms
from lakehouse.trading.paper_engine import PaperAccount, PaperBar, PaperOrder

PERCENT = Decimal(100)


@dataclass(frozen=True)
class FollowedSignal:
    """What a decision takes from a signal: BUY, SELL or HOLD, how likely it pays, and percent of equity."""

    direction: str
    confidence: float
    position_size_pct: float


@dataclass(frozen=True)
class FollowedOrder:
    """An order that a signal led to, and the limits that it breaks; none: it was accepted."""

    order: PaperOrder
    violations: tuple[Violation, ...]


def share_quantity(equity: Decimal, percent: Decimal, mark: Decimal, terms: MarketTerms) -> Decimal:
    """Whole lots that a share of the equity buys at the mark."""
    return terms.whole_lots(max(Decimal(0), equity) * percent / PERCENT / mark)


def follow(
    account: PaperAccount, signal: FollowedSignal, bar: PaperBar, limits: Limits, terms: MarketTerms
) -> FollowedOrder | None:
    """Decide the order that the signal of this bar leads to, and take it when it is valid; None without one.

    BUY opens a position where there is none, SELL closes one; nothing while an order waits. The account has
    taken the bar.
    """
    held = account.positions.get(bar.symbol)
    if signal.direction == "HOLD" or any(each.order.symbol == bar.symbol for each in account.waiting):
        return None
    if (signal.direction == "BUY") == (held is not None):
        return None
    size = Decimal(repr(signal.position_size_pct))
    quantity = held.quantity if held else share_quantity(account.equity, size, bar.close, terms)
    order = PaperOrder(
        trade_id=f"{bar.symbol}-{bar.interval}-{bar.time:%Y%m%dT%H%MZ}",
        symbol=bar.symbol,
        interval=bar.interval,
        side=signal.direction,
        quantity=quantity,
        bar_time=bar.time,
        decided_at=bar.closed_at,
        terms=terms,
    )
    account.begin_day(order.decided_at)
    confidence = Decimal(repr(signal.confidence))
    proposed = ProposedOrder(bar.symbol, signal.direction, quantity, bar.close, confidence)
    broken = tuple(violations(proposed, account.state(), limits, terms))
    if not broken:
        account.accept(order)
    return FollowedOrder(order, broken)
