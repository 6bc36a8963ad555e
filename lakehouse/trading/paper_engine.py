"""The paper account: orders fill at the open of the next bar, and every cent is accounted for.

Backtest, paper trading and the tables run this one engine: the same bars and orders give the same account.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.closed_trades import (
    ClosedTrade,
    Entry,
    Exit,
    end_of_day,
    lost_in_day,
    newest_lost,
    trading_day,
)
from lakehouse.trading.limits import AccountState, OpenOrder
from lakehouse.trading.market_terms import MarketTerms, cents

VOLUME_SHARE = Decimal("0.05")  # of a bar's volume that an order may take
BARS_OPEN = 2  # an order that does not fill at once stays open for one bar more
ZERO = Decimal(0)
NOTHING = Decimal("0.00")


@dataclass(frozen=True)
class PaperBar:
    """A closed bar. `open`, `high`, `low`: None where unknown; `is_regular`: traded, none missing before."""

    symbol: str
    interval: str
    time: datetime
    open: Decimal | None
    close: Decimal
    volume: Decimal
    is_regular: bool = True
    split: Decimal = Decimal(1)
    high: Decimal | None = None
    low: Decimal | None = None

    @property
    def closed_at(self) -> datetime:
        """End of the bar."""
        return self.time + INTERVALS[self.interval]


@dataclass(frozen=True)
class ExitLevels:
    """Prices at which a position is sold; None: no such price."""

    stop: Decimal | None = None
    take_profit: Decimal | None = None

    def sale(self, bar: PaperBar) -> tuple[Decimal, Exit] | None:
        """(price at which the position is sold inside a bar, which level it is); None: it is kept.

        A bar does not say which came first: of both, the stop. A bar that opens beyond a level sells there.
        """
        if bar.open is None or bar.high is None or bar.low is None:
            return None
        if self.stop is not None and bar.low <= self.stop:
            return min(bar.open, self.stop), "stop"
        if self.take_profit is not None and bar.high >= self.take_profit:
            return max(bar.open, self.take_profit), "take_profit"
        return None

    def after(self, split: Decimal) -> "ExitLevels":
        """The levels in shares after a split."""
        stop, profit = (None if level is None else level / split for level in (self.stop, self.take_profit))
        return ExitLevels(stop, profit)


@dataclass(frozen=True)
class PaperOrder:
    """An accepted order. `bar_time`: begin of the newest bar that was known when it was decided.

    `reason`: whether it follows a signal.
    """

    trade_id: str
    symbol: str
    interval: str
    side: str
    quantity: Decimal
    bar_time: datetime
    decided_at: datetime
    terms: MarketTerms
    levels: ExitLevels | None = None  # of what a purchase brings
    reason: Entry = "order"

    def after(self, split: Decimal) -> "PaperOrder":
        """The order with its levels in shares after a split."""
        return replace(self, levels=self.levels and self.levels.after(split))


@dataclass(frozen=True)
class Fill:
    """A part of an order that was traded, or the sale at a level of a purchase, which has its trade_id.

    `pnl` of a sale: proceeds less average cost and fee; else None.
    """

    trade_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    pnl: Decimal | None
    executed_at: datetime
    is_late: bool  # a bar without a regular open came before


@dataclass
class Holding:
    """Shares or coins held. `cost`: what they cost without fees; `net`: of this trade so far, with fees.

    `first`: the order of the first purchase, filled at `opened_at`, `bars` of its interval ago. `guard`: the
    newest purchase with levels, at which all of it is sold.
    """

    first: PaperOrder
    opened_at: datetime
    bars: int = 0
    fees: Decimal = NOTHING
    quantity: Decimal = ZERO
    cost: Decimal = NOTHING
    net: Decimal = NOTHING
    guard: PaperOrder | None = None

    @property
    def average_price(self) -> Decimal:
        """Average cost of one share or coin."""
        return self.cost / self.quantity if self.quantity else ZERO


@dataclass
class FirstPurchase:
    """The first purchase of a symbol. `price`: of one share or coin of today, with the fee."""

    price: Decimal
    at: datetime


@dataclass
class WaitingOrder:
    """An accepted order and what is left of it."""

    order: PaperOrder
    left: Decimal
    bars: int = 0
    is_late: bool = False


@dataclass
class PaperAccount:
    """One account. `closed_trades`: oldest first.

    Always, to the cent: cash = start + realised - cost of the positions.
    """

    start: Decimal
    day_hours: int = 7  # the trading day begins at midnight of UTC + so many hours
    cash: Decimal = field(init=False)
    positions: dict[str, Holding] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    waiting: list[WaitingOrder] = field(default_factory=list)
    fees: Decimal = NOTHING
    realised: Decimal = NOTHING
    closed_trades: list[ClosedTrade] = field(default_factory=list)
    lost: dict[str, ClosedTrade] = field(default_factory=dict)  # symbol -> newest trade that lost
    bought: dict[str, FirstPurchase] = field(default_factory=dict)
    opened: dict[date, Decimal] = field(default_factory=dict)  # trading day -> equity at its begin
    trading_day: date | None = None
    day_open_equity: Decimal = field(init=False)
    accepted_today: int = 0

    def __post_init__(self) -> None:
        self.cash = cents(self.start)
        self.day_open_equity = self.cash

    @property
    def equity(self) -> Decimal:
        """Cash and positions at their newest close, to the cent."""
        return self.cash + sum(map(self.market_value, self.positions), NOTHING)

    def market_value(self, symbol: str) -> Decimal:
        """Value of a position at its newest close, to the cent."""
        return cents(self.positions[symbol].quantity * self.prices[symbol])

    @property
    def unrealised(self) -> Decimal:
        """Value of the positions less their cost."""
        return self.equity - self.cash - sum((held.cost for held in self.positions.values()), NOTHING)

    def begin_day(self, at: datetime) -> None:
        """Begin a new trading day when `at` lies in a later one."""
        day = trading_day(at, self.day_hours)
        if self.trading_day is None or day > self.trading_day:
            self.trading_day = day
            self.day_open_equity = self.opened[day] = self.equity
            self.accepted_today = 0

    def accept(self, order: PaperOrder) -> None:
        """Take an accepted order; it fills at the next bar."""
        self.begin_day(order.decided_at)
        self.accepted_today += 1
        self.waiting.append(WaitingOrder(order, order.quantity))

    def take(self, bar: PaperBar) -> list[Fill]:
        """Fill what waits for this bar, then value the account at its close."""
        self.begin_day(bar.time)
        held = self.positions.get(bar.symbol)
        if held and held.first.interval == bar.interval:
            held.bars += 1
        if bar.split != 1:
            self._split(bar)
        fills = []
        allowed = VOLUME_SHARE * bar.volume
        for waiting in [each for each in self.waiting if is_for(each.order, bar)]:
            if not bar.is_regular or bar.open is None:
                waiting.is_late = True
                continue
            fill = self._fill(waiting, bar, bar.open, allowed)
            if fill:
                allowed -= fill.quantity
                fills.append(fill)
        fills += self._exit(bar, allowed)
        self.prices[bar.symbol] = bar.close
        return fills

    def state(self, at: datetime) -> AccountState:
        """What the limits are measured against at a time, which may lie in a later trading day."""
        is_today = self.trading_day is not None and self.trading_day >= trading_day(at, self.day_hours)
        return AccountState(
            at=at,
            day_ends=end_of_day(at, self.day_hours),
            cash=self.cash,
            day_open_equity=self.day_open_equity if is_today else self.equity,
            accepted_today=self.accepted_today if is_today else 0,
            positions={symbol: held.quantity for symbol, held in self.positions.items()},
            prices=self.prices,
            waiting=[OpenOrder(w.order.symbol, w.order.side, w.left) for w in self.waiting],
            lost_today=lost_in_day(self.closed_trades, at, self.day_hours),
            lost=self.lost,
        )

    def _split(self, bar: PaperBar) -> None:
        if first := self.bought.get(bar.symbol):
            first.price /= bar.split
        if held := self.positions.get(bar.symbol):
            held.quantity *= bar.split
            held.guard = held.guard and held.guard.after(bar.split)
        for waiting in self.waiting:
            if waiting.order.symbol == bar.symbol and waiting.order.bar_time < bar.time:
                waiting.left *= bar.split
                waiting.order = waiting.order.after(bar.split)

    def _fill(self, waiting: WaitingOrder, bar: PaperBar, opening: Decimal, allowed: Decimal) -> Fill | None:
        """Trade what volume, cash and holding allow; what is left after BARS_OPEN bars is cancelled."""
        order = waiting.order
        price = order.terms.fill_price(order.side, opening)
        quantity = order.terms.whole_lots(min(waiting.left, allowed))
        if order.side == "BUY":
            quantity = min(quantity, affordable(self.cash, price, order.terms))
        else:
            held = self.positions.get(order.symbol)
            quantity = min(quantity, held.quantity) if held else ZERO
        waiting.left -= quantity
        waiting.bars += 1
        if waiting.left <= 0 or waiting.bars >= BARS_OPEN:
            self.waiting.remove(waiting)
        if quantity <= 0:
            return None
        return self._trade(order, quantity, price, bar, order.reason, waiting.is_late)

    def _exit(self, bar: PaperBar, allowed: Decimal) -> list[Fill]:
        """Sell what is held when the bar reaches a level of its purchase; the rest at the next such bar."""
        held = self.positions.get(bar.symbol)
        guard = held.guard if held else None
        if held is None or guard is None or guard.levels is None or not bar.is_regular:
            return []
        reached = guard.levels.sale(bar) if guard.interval == bar.interval else None
        quantity = guard.terms.whole_lots(min(held.quantity, allowed))
        if reached is None or quantity <= 0:
            return []
        level, reason = reached
        price = guard.terms.fill_price("SELL", level)
        return [self._trade(replace(guard, side="SELL"), quantity, price, bar, reason, is_late=False)]

    def _trade(
        self, order: PaperOrder, quantity: Decimal, price: Decimal, bar: PaperBar, reason: Exit, is_late: bool
    ) -> Fill:
        amount = cents(quantity * price)
        fee = cents(amount * order.terms.fee_rate(order.side))
        pnl = None
        if order.side == "SELL":
            pnl = self._sell(order.symbol, quantity, amount, fee)
            self._close(order.symbol, bar, reason)
        else:
            held = self.positions.setdefault(order.symbol, Holding(order, bar.time))
            self._buy(held, quantity, amount, fee)
            self.bought.setdefault(order.symbol, FirstPurchase((amount + fee) / quantity, bar.time))
            if order.levels:
                held.guard = order
        return Fill(order.trade_id, order.symbol, order.side, quantity, price, fee, pnl, bar.time, is_late)

    def _buy(self, held: Holding, quantity: Decimal, amount: Decimal, fee: Decimal) -> None:
        held.quantity += quantity
        held.cost += amount
        self.cash -= amount
        self.prices.setdefault(held.first.symbol, amount / quantity)
        self._book(held, -fee, fee)

    def _sell(self, symbol: str, quantity: Decimal, amount: Decimal, fee: Decimal) -> Decimal:
        held = self.positions[symbol]
        cost = held.cost if quantity == held.quantity else cents(held.cost * quantity / held.quantity)
        held.quantity -= quantity
        held.cost -= cost
        self.cash += amount
        pnl = amount - cost - fee
        self._book(held, pnl, fee)
        return pnl

    def _close(self, symbol: str, bar: PaperBar, reason: Exit) -> None:
        """End the trade of a symbol when nothing of it is held."""
        held = self.positions[symbol]
        if held.quantity:
            return
        del self.positions[symbol]
        begun = (symbol, held.first.interval, held.first.reason)
        trade = ClosedTrade(*begun, reason, held.opened_at, bar.time, held.net, held.fees, held.bars)
        self.closed_trades.append(trade)
        self.lost |= newest_lost([trade])

    def _book(self, held: Holding, pnl: Decimal, fee: Decimal) -> None:
        held.net += pnl
        held.fees += fee
        self.realised += pnl
        self.fees += fee
        self.cash -= fee


def is_for(order: PaperOrder, bar: PaperBar) -> bool:
    """Whether the bar comes after the one that the order was decided at."""
    return (order.symbol, order.interval) == (bar.symbol, bar.interval) and order.bar_time < bar.time


def affordable(cash: Decimal, price: Decimal, terms: MarketTerms) -> Decimal:
    """Whole lots that cash pays for with the fee; a cent is kept for each rounding."""
    if cash <= 0:
        return ZERO
    most = (cash - Decimal("0.02")) / (price * (1 + terms.fee_rate("BUY")))
    return max(ZERO, terms.whole_lots(most.quantize(Decimal("1e-12"), ROUND_DOWN)))
