"""Signals -> orders of an account that follows them: the same for the house account and for backtests."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lakehouse.trading.limits import AccountState, Limits, ProposedOrder, Violation, violations
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
    account: PaperAccount,
    signal: FollowedSignal,
    bar: PaperBar,
    limits: Limits,
    terms: MarketTerms,
    broken: Sequence[Violation] = (),
) -> FollowedOrder | None:
    """Decide the order that the signal of this bar leads to, and take it when it is valid; None for HOLD.

    BUY opens a position where there is none, SELL closes one, while no other order waits; others are refused.
    The account has taken the bar. `broken`: what the order breaks already.
    """
    if signal.direction == "HOLD":
        return None
    held = account.positions.get(bar.symbol)
    size = Decimal(repr(signal.position_size_pct))
    quantity = share_quantity(account.equity, size, bar.close, terms)
    if held and signal.direction == "SELL":
        quantity = held.quantity
    order = PaperOrder(
        trade_id=f"{bar.symbol}-{bar.interval}-{bar.time:%Y%m%dT%H%MZ}",
        symbol=bar.symbol,
        interval=bar.interval,
        side=signal.direction,
        quantity=quantity,
        bar_time=bar.time,
        decided_at=bar.closed_at,
        terms=terms,
        reason="signal",
    )
    state = account.state(order.decided_at)
    confidence = Decimal(repr(signal.confidence))
    proposed = ProposedOrder(bar.symbol, signal.direction, quantity, bar.close, confidence)
    refused = [*broken, *not_followed(proposed, state, terms)]
    rules = {each.rule for each in refused}
    refused += [each for each in violations(proposed, state, limits, terms) if each.rule not in rules]
    if not refused:
        account.accept(order)
    return FollowedOrder(order, tuple(refused))


def not_followed(order: ProposedOrder, state: AccountState, terms: MarketTerms) -> list[Violation]:
    """What keeps a signal from being followed whatever the limits are. The limit is nothing of the symbol."""
    nothing = Decimal(0)
    held = state.positions.get(order.symbol, nothing)
    waiting = sum((each.quantity for each in state.waiting if each.symbol == order.symbol), nothing)
    broken = []
    if order.side == "BUY" and held:
        broken.append(Violation("position_open", nothing, held))
    if order.side == "SELL" and not held:
        broken.append(Violation("holding", nothing, max(order.quantity, terms.lot)))
    if waiting:
        broken.append(Violation("order_waiting", nothing, waiting))
    return broken
