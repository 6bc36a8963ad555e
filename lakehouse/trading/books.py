"""The book of a paper account: logged orders and stored bars -> rows of gold.trades and gold.portfolio.

The log decides: an order that was accepted stays accepted, and the account follows from it alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from lakehouse.times import utc_text
from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.closed_trades import ClosedTrade, Entry
from lakehouse.trading.limits import Violation, values_of
from lakehouse.trading.market_terms import CENT, cents, market_terms
from lakehouse.trading.paper_engine import ExitLevels, Fill, PaperAccount, PaperBar, PaperOrder
from lakehouse.trading.series_bars import SymbolInterval, exact
from lakehouse.trading.signals import MARGIN

Row = dict[str, Any]
EventKey = tuple[datetime, int, datetime, str]
CURRENCY = "USD"
NEWEST_ACCEPTED = 200
NEWEST_DAYS = 100
CLOSED_TIMES = ("opened_at", "closed_at")
CLOSED_AMOUNTS = ("net", "fees")
NEEDED = ("decided_quantity", "asset_class", "currency", "interval", "bar_time")
# Columns of silver.orders that a book reads.
COLUMNS = (
    *("event_id", "account", "symbol", "side", "decided_quantity", "asset_class", "currency", "interval"),
    *("bar_time", "signal_id", "client_order_id", "trade_id", "status", "oracle", "confidence", "decided_at"),
    *("validation", "stop_price", "take_profit_price"),
)


@dataclass(frozen=True)
class AccountTerms:
    """What every account begins with, and when its trading day begins: hours after midnight of UTC."""

    start: Decimal
    day_hours: int


def is_accepted(order: Mapping[str, Any]) -> bool:
    """Whether the order trades: accepted here, with everything that its fill needs."""
    return order["status"] == "ACCEPTED" and all(order[name] is not None for name in NEEDED)


def paper_order(order: Mapping[str, Any]) -> PaperOrder:
    """An accepted row of silver.orders for the engine."""
    copied = ("trade_id", "symbol", "interval", "side", "bar_time", "decided_at")
    return PaperOrder(
        **{name: order[name] for name in copied},
        quantity=exact(order["decided_quantity"]),
        terms=market_terms(order["asset_class"], order["currency"]),
        levels=levels_of(order),
        reason=reason_of(order),
    )


def reason_of(order: Mapping[str, Any]) -> Entry:
    """Whether the order follows a signal: it has one whose side is as likely as BUY and SELL must be.

    The log holds the newest signal of every order, and how likely the order's side is by it.
    """
    return "signal" if order["signal_id"] and (order["confidence"] or 0) >= 0.5 + MARGIN else "order"


def levels_of(order: Mapping[str, Any]) -> ExitLevels | None:
    """The prices at which what the order buys is sold again; None without any."""
    prices = [order.get(name) for name in ("stop_price", "take_profit_price")]
    stop, take_profit = (None if price is None else exact(price) for price in prices)
    return ExitLevels(stop, take_profit) if stop or take_profit else None


def key_of_order(order: Mapping[str, Any]) -> EventKey:
    """An order comes after the bar that it was decided at."""
    closed = order["bar_time"] + INTERVALS[order["interval"]]
    return closed, 1, order["decided_at"], order["trade_id"]


def key_of_bar(bar: PaperBar) -> EventKey:
    """A bar comes when it closes."""
    return bar.closed_at, 0, bar.time, bar.symbol


class Book:
    """One account with its log. `is_current` is false when an event came that belongs before another."""

    def __init__(self, name: str, terms: AccountTerms) -> None:
        self.name = name
        self._terms = terms
        self.orders: dict[str, Row] = {}
        self._clear()

    def _clear(self) -> None:
        self.account = PaperAccount(self._terms.start, self._terms.day_hours)
        self.fills: dict[str, list[Fill]] = {}
        self._newest: EventKey | None = None
        self.is_current = True

    @property
    def series(self) -> dict[SymbolInterval, datetime]:
        """Series of the accepted orders -> bar of the first one."""
        first: dict[SymbolInterval, datetime] = {}
        for order in self.orders.values():
            if is_accepted(order):
                key = (order["symbol"], order["interval"])
                first[key] = min(order["bar_time"], first.get(key, order["bar_time"]))
        return first

    def log(self, order: Row) -> None:
        """Add an order of the log; one with the same trade_id is the same order."""
        if order["trade_id"] in self.orders:
            return
        known = self.series
        self.orders[order["trade_id"]] = order
        if is_accepted(order):
            self._advance(key_of_order(order))
            if (order["symbol"], order["interval"]) not in known:
                self.is_current = False  # its bars were not taken so far
            if self.is_current:
                self.account.accept(paper_order(order))

    def take(self, bar: PaperBar) -> bool:
        """Take a bar of a series that the account trades; whether an order was filled or ended."""
        self._advance(key_of_bar(bar))
        if not self.is_current:
            return False
        before = len(self.account.waiting)
        return self._fill(bar) or len(self.account.waiting) != before

    def _fill(self, bar: PaperBar) -> bool:
        fills = self.account.take(bar)
        for fill in fills:
            self.fills.setdefault(fill.trade_id, []).append(fill)
        return bool(fills)

    def replay(self, bars: Iterable[PaperBar]) -> None:
        """Compute the account again from its whole log and these bars."""
        self._clear()
        orders = [(key_of_order(order), order) for order in self.orders.values() if is_accepted(order)]
        events: list[tuple[EventKey, Row | PaperBar]] = [*orders, *((key_of_bar(bar), bar) for bar in bars)]
        for key, event in sorted(events, key=lambda each: each[0]):
            self._newest = key
            if isinstance(event, PaperBar):
                self._fill(event)
            else:
                self.account.accept(paper_order(event))

    def _advance(self, key: EventKey) -> None:
        if self._newest is not None and key < self._newest:
            self.is_current = False
        else:
            self._newest = key

    def trade_rows(self) -> list[Row]:
        """The rows of gold.trades."""
        waiting = {each.order.trade_id for each in self.account.waiting}
        return [
            trade_row(order, self.fills.get(trade_id, []), trade_id in waiting)
            for trade_id, order in self.orders.items()
        ]

    def portfolio_row(self) -> Row:
        """The row of gold.portfolio."""
        account = self.account
        accepted = [order for order in self.orders.values() if is_accepted(order)]
        newest = sorted(accepted, key=lambda order: order["decided_at"])[-NEWEST_ACCEPTED:]
        decided = max((order["decided_at"] for order in self.orders.values()), default=None)
        times = [time for time in (decided, self._newest[0] if self._newest else None) if time]
        return {
            "account": self.name,
            "currency": CURRENCY,
            **{name: float(getattr(account, name)) for name in ("cash", "equity", "fees", "day_open_equity")},
            "realised_pnl": float(account.realised),
            "unrealised_pnl": float(account.unrealised),
            "trading_day": account.trading_day,
            "accepted_today": account.accepted_today,
            "positions": text(positions_of(account)),
            "waiting": text(waiting_of(account)),
            "closed_trades": text([closed_row(trade) for trade in account.closed_trades]),
            "bought": text(bought_by(account)),
            "days": text(
                [[f"{day}", float(equity)] for day, equity in account.opened.items()][-NEWEST_DAYS:]
            ),
            "accepted": text([order["trade_id"] for order in newest]),
            "as_of": max(times, default=None),
        }


def closed_row(trade: ClosedTrade) -> Row:
    """A closed trade as JSON values."""
    return vars(trade) | {
        **{name: utc_text(getattr(trade, name)) for name in CLOSED_TIMES},
        **{name: float(getattr(trade, name)) for name in CLOSED_AMOUNTS},
    }


def closed_trades(rows: str | None) -> list[ClosedTrade]:
    """The closed trades of a row of gold.portfolio."""
    return [
        ClosedTrade(
            **row
            | {name: datetime.fromisoformat(row[name]) for name in CLOSED_TIMES}
            | {name: cents(exact(row[name])) for name in CLOSED_AMOUNTS}
        )
        for row in orjson.loads(rows or "[]")
    ]


def positions_of(account: PaperAccount) -> list[Row]:
    """The positions of an account, as JSON values."""
    return [
        {
            "symbol": symbol,
            **{name: float(getattr(held, name)) for name in ("quantity", "cost", "average_price")},
            "market_value": float(account.market_value(symbol)),
            "unrealized_pnl": float(account.market_value(symbol) - held.cost),
        }
        for symbol, held in sorted(account.positions.items())
    ]


def bought_by(account: PaperAccount) -> list[Row]:
    """The first purchase of each symbol, as JSON values."""
    return [
        {"symbol": symbol, "price": float(first.price), "since": utc_text(first.at)}
        for symbol, first in sorted(account.bought.items())
    ]


def waiting_of(account: PaperAccount) -> list[Row]:
    """The orders that wait for their fill, as JSON values."""
    return [
        {
            **{name: getattr(each.order, name) for name in ("trade_id", "symbol", "side")},
            "quantity": float(each.left),
        }
        for each in account.waiting
    ]


def trade_row(order: Row, fills: Sequence[Fill], is_waiting: bool) -> Row:
    """One order as a row of gold.trades."""
    row = {name: order[name] for name in COPIED}
    row |= dict.fromkeys(("price", "fee", "pnl", "executed_at", "exit_price", "exited_at"))
    row |= {"quantity": order["decided_quantity"] or 0.0, "is_late": any(fill.is_late for fill in fills)}
    row["status"] = status_of(order, bool(fills), is_waiting)
    broken = violations_of(order["validation"])
    if row["status"] != order["status"] and not fills:
        broken = [values_of(Violation("unfilled", exact(row["quantity"]), Decimal(0)))]
    row["violations"] = text(broken)
    if fills:
        own = [fill for fill in fills if fill.side == order["side"]]
        results = [fill.pnl for fill in fills if fill.pnl is not None]
        row |= {
            "quantity": float(sum((fill.quantity for fill in own), Decimal(0))),
            "price": mean_price(own),
            "fee": float(sum((fill.fee for fill in fills), CENT * 0)),
            "pnl": float(sum(results, CENT * 0)) if results else None,
            "executed_at": own[-1].executed_at,
        }
        if exits := [fill for fill in fills if fill.side != order["side"]]:
            row |= {"exit_price": mean_price(exits), "exited_at": exits[-1].executed_at}
    return row


def mean_price(fills: Sequence[Fill]) -> float:
    """The price of all fills together."""
    amount = sum((fill.quantity * fill.price for fill in fills), Decimal(0))
    return float(amount / sum((fill.quantity for fill in fills), Decimal(0)))


COPIED = (
    *("trade_id", "account", "event_id", "client_order_id", "signal_id", "symbol", "side", "confidence"),
    *("oracle", "decided_at"),
)


def status_of(order: Row, is_filled: bool, is_waiting: bool) -> str:
    """Status of an order by its log and its fills."""
    if order["status"] != "ACCEPTED":
        return str(order["status"])
    if is_filled:
        return "EXECUTED"
    return "ACCEPTED" if is_waiting or not is_accepted(order) else "REJECTED"


def violations_of(validation: str | None) -> list[Any]:
    """The limits that an order broke, from the JSON text of its verdict."""
    verdict = orjson.loads(validation) if validation else {}
    listed = verdict.get("violations") if isinstance(verdict, dict) else None
    return listed if isinstance(listed, list) else []


def text(value: Any) -> str:
    """JSON text."""
    return orjson.dumps(value).decode()
