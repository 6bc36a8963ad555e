"""An account that follows a strategy over past bars, and the trades that it made."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.market_terms import MarketTerms, cents, market_terms
from lakehouse.trading.paper_engine import Fill, PaperAccount, PaperOrder
from lakehouse.trading.series_bars import StoredSeries, exact, paper_bar, time_of
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import Invested, Variant
from lakehouse.trading.strategy import share_quantity

WHOLE = Decimal(100)  # percent of equity that an invested account holds
START = Decimal(10_000)  # in the currency of the symbol
LEAST_LOTS = 20  # that the account can buy at first; of many shares a board lot costs more than START
LEVELS = ("stop", "take_profit")  # why a trade ended, where no rule ended it
END = "end"
NOTHING = Decimal(0)


@dataclass
class SimulatedTrade:
    """A position from nothing to nothing; with `exit` END it is still open, valued at the last close.

    `opened`, `closed`: numbers of bars. `entry`: label of the variant that bought; `exit`: of the one that
    sold, or one of LEVELS. `bought`, `sold`: amounts before fees. `quantity`: shares or coins sold.
    """

    opened: int
    entry: str
    closed: int = 0
    exit: str = END
    bought: Decimal = NOTHING
    sold: Decimal = NOTHING
    fees: Decimal = NOTHING
    quantity: Decimal = NOTHING

    def add(self, fill: Fill) -> None:
        """Count a fill of the trade."""
        amount = cents(fill.quantity * fill.price)
        self.fees += fill.fee
        if fill.side == "BUY":
            self.bought += amount
        else:
            self.sold += amount
            self.quantity += fill.quantity

    @property
    def net(self) -> Decimal:
        """Result after fees."""
        return self.sold - self.bought - self.fees


@dataclass(frozen=True)
class SimulatedAccount:
    """The account after the last bar, and its equity after each: (bars,). `traded`: value of all fills.

    `invested`: (bars,) whether it should hold the symbol, a stop considered; `trades`: the oldest first.
    """

    account: PaperAccount
    equity: Floats
    traded: float
    invested: Invested
    trades: Sequence[SimulatedTrade]

    @property
    def returns(self) -> Floats:
        """(bars,) change of the equity, relative; 0 for the first bar."""
        previous = np.concatenate([self.equity[:1], self.equity[:-1]])
        return np.asarray(self.equity / previous - 1)

    @property
    def turnover(self) -> float:
        """How often the account is turned over in a bar: half of what was traded ÷ mean equity and bars."""
        return self.traded / 2 / float(self.equity.sum())


def simulate(
    series: Series,
    bars: Bars,
    invested: Invested,
    followed: Sequence[Variant] | None = None,
    start: Decimal | None = None,
) -> SimulatedAccount:
    """Follow `invested`: what is decided at a close fills at the next open, with costs.

    `followed`: (bars,) the variant that decides, with its stop and take-profit; None: neither. `start`: what
    the account begins with, else START or LEAST_LOTS lots at the first close. After a stop or take-profit the
    account buys again when the strategy has left and entered once more. A bar without a position and without
    an order changes nothing, so the engine is not called.
    """
    terms = market_terms(series.asset_class, series.currency)
    account = PaperAccount(start or max(START, LEAST_LOTS * terms.lot * exact(float(bars.close[0]))))
    stored = StoredSeries(series, bars, bars.time, "")
    equity = np.empty(len(bars))
    wanted = invested.copy()
    current = float(account.equity)
    traded = 0.0
    trades: list[SimulatedTrade] = []
    trade: SimulatedTrade | None = None
    order: PaperOrder | None = None
    label = ""  # of the variant that gave the order
    is_out = False  # sold at a level while the strategy is still invested
    for number in range(len(bars)):
        if account.waiting or account.positions:
            for fill in account.take(paper_bar(stored, number)):
                traded += float(fill.quantity * fill.price)
                if trade is None:
                    trade = SimulatedTrade(number, label)
                    trades.append(trade)
                if fill.side == "SELL" and order is not None:
                    is_out = is_out or order.side == "BUY" or fill.trade_id != order.trade_id
                trade.add(fill)
            if trade is not None and not account.positions:
                reason = account.closed_trades[-1].exit
                trade.exit = reason if reason in LEVELS else label
                trade.closed = number
                trade = None
            current = float(account.equity)
        equity[number] = current
        is_out = is_out and bool(invested[number])
        wanted[number] &= not is_out
        if wanted[number] != bool(account.positions) and not account.waiting:
            variant = followed[number] if followed else None
            proposed = _order(series, bars, number, account, terms, variant)
            if proposed.quantity > 0:
                order = proposed
                account.accept(order)
                label = variant.label if variant else ""
    if trade is not None:
        held = account.positions[series.symbol]
        trade.closed = len(bars) - 1
        trade.sold += account.market_value(series.symbol)
        trade.quantity += held.quantity
    return SimulatedAccount(account, equity, traded, wanted, trades)


def _order(
    series: Series,
    bars: Bars,
    number: int,
    account: PaperAccount,
    terms: MarketTerms,
    variant: Variant | None,
) -> PaperOrder:
    """Buy with the whole equity, with the levels of the variant, or sell all that is held."""
    held = account.positions.get(series.symbol)
    mark = exact(float(bars.close[number]))
    begin = time_of(int(bars.time[number]))
    return PaperOrder(
        trade_id=f"{series.symbol}-{number}",
        symbol=series.symbol,
        interval=series.interval,
        side="SELL" if held else "BUY",
        quantity=held.quantity if held else share_quantity(account.equity, WHOLE, mark, terms),
        bar_time=begin,
        decided_at=begin,
        terms=terms,
        levels=None if held or variant is None else variant.exit_levels(mark),
    )
