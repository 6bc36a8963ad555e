"""A paper account that follows a strategy over past bars: the engine of paper trading, fed with history."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.market_terms import MarketTerms, market_terms
from lakehouse.trading.paper_engine import PaperAccount, PaperOrder
from lakehouse.trading.series_bars import StoredSeries, exact, paper_bar, time_of
from lakehouse.trading.signals import Series
from lakehouse.trading.strategies import Invested
from lakehouse.trading.strategy import share_quantity

WHOLE = Decimal(100)  # percent of equity that an invested account holds
START = Decimal(10_000)  # in the currency of the symbol
LEAST_LOTS = 20  # that the account can buy at first; of many shares a board lot costs more than START


@dataclass(frozen=True)
class SimulatedAccount:
    """The account after the last bar, and its equity after each: (bars,). `traded`: value of all fills."""

    account: PaperAccount
    equity: Floats
    traded: float

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
    series: Series, bars: Bars, invested: Invested, start: Decimal | None = None
) -> SimulatedAccount:
    """Follow `invested`: what is decided at a close fills at the next open, with costs.

    `start`: what the account begins with, else START or LEAST_LOTS lots at the first close. A bar without a
    position and without an order changes nothing, so the engine is not called.
    """
    terms = market_terms(series.asset_class, series.currency)
    account = PaperAccount(start or max(START, LEAST_LOTS * terms.lot * exact(float(bars.close[0]))))
    stored = StoredSeries(series, bars, bars.time, "")
    equity = np.empty(len(bars))
    current = float(account.equity)
    traded = 0.0
    for number, wanted in enumerate(invested.tolist()):
        if account.waiting or account.positions:
            fills = account.take(paper_bar(stored, number))
            traded += sum(float(fill.quantity * fill.price) for fill in fills)
            current = float(account.equity)
        equity[number] = current
        if wanted != bool(account.positions) and not account.waiting:
            order = _order(series, bars, number, account, terms)
            if order.quantity > 0:
                account.accept(order)
    return SimulatedAccount(account, equity, traded)


def _order(series: Series, bars: Bars, number: int, account: PaperAccount, terms: MarketTerms) -> PaperOrder:
    """Buy with the whole equity, or sell all that is held."""
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
    )


def held_runs(invested: Invested) -> Iterator[tuple[bool, int]]:
    """(invested, bars) of each run of equal bars."""
    edges = np.flatnonzero(np.diff(invested)) + 1
    for part in np.split(invested, edges):
        if len(part):
            yield bool(part[0]), len(part)
