"""silver.orders, silver.bars -> gold.trades, gold.portfolio: each account's book, kept in memory.

After a restart the books are computed again from the log.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import pyarrow.compute as pc

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.io.delta import EPOCH, LogStamps, cached_table, high_water_mark, replace_rows
from lakehouse.trading.books import COLUMNS, AccountTerms, Book, Row
from lakehouse.trading.paper_engine import PaperBar
from lakehouse.trading.series_bars import Key, StoredSeries, exact, paper_bar, series_of, time_of
from streaming_jobs.gold.finished_batches import newest_finished
from streaming_jobs.gold.house import HOUSE, VERIFICATIONS, House
from streaming_jobs.gold.signals import table_of
from streaming_jobs.gold.stored_bars import TABLE as BARS
from streaming_jobs.gold.stored_bars import rows_after, stored_series

ORDERS = "silver.orders"
TRADES = "gold.trades"
PORTFOLIO = "gold.portfolio"


class Trades:
    """The only writer of its tables."""

    name = "trades"

    def __init__(self) -> None:
        self._stamps = LogStamps((ORDERS, BARS, "gold.balance", VERIFICATIONS))
        self._house = House()
        self._mark = EPOCH
        self._read_upto = EPOCH
        self._books: dict[str, Book] = {}
        self._bars: dict[Key, StoredSeries] = {}  # newest bars of the series that are traded

    def refresh(self) -> None:
        """Take up the orders and bars of batches that have finished since the last call."""
        stamps = self._stamps.take()
        if stamps is None:
            return
        if high_water_mark(cached_table(PORTFOLIO)) < self._mark:  # the table was emptied
            self._books.clear()
            self._read_upto = EPOCH
        newest = (newest_finished(self._read_upto, kind=kind) for kind in ("order", "bar"))
        if upto := max((time for time in newest if time), default=None):
            self._take(self._read_upto, upto)
            self._read_upto = upto
            self._mark = high_water_mark(cached_table(PORTFOLIO))
        self._house.follow(self._book(HOUSE))
        self._stamps.keep(stamps)

    def _book(self, account: str) -> Book:
        """The book of an account, begun where it has none."""
        return self._books.setdefault(account, Book(account, account_terms()))

    def _take(self, after: datetime, upto: datetime) -> None:
        """Bring the books to `upto`, and write those that changed."""
        is_first = after == EPOCH
        orders = orders_between(after, upto)
        traded = {book.name for book in self._books.values()}
        bars = {} if is_first else self._new_bars(after, upto)
        changed: set[str] = set()
        valued: set[str] = set()
        for book in self._books.values():
            for bar in in_time(bars, book.series):
                valued.add(book.name)
                if book.take(bar):
                    changed.add(book.name)
        for order in orders:
            book = self._book(order["account"])
            book.log(order)
            changed.add(book.name)
        for book in self._books.values():
            if book.name not in traded or not book.is_current:
                book.replay(self._all_bars(book, upto))
                changed.add(book.name)
        self._write(changed, changed | valued, upto)

    def _new_bars(self, after: datetime, upto: datetime) -> dict[Key, StoredSeries]:
        """New bars of the traded series."""
        wanted = {key for book in self._books.values() for key in book.series}
        if not wanted:
            return {}
        new = series_of(rows_after(after, upto), settings().indicators.ma)
        joined = {}
        for key in wanted & new.keys():
            before = self._bars.get(key)
            later = before.with_later(new[key], 1) if before else new[key]
            first = 1 if before else 0
            self._bars[key] = later
            joined[key] = part(later, first)
        return joined

    def _all_bars(self, book: Book, upto: datetime) -> list[PaperBar]:
        """All bars from the account's first order of each series on."""
        first = book.series
        bars = {}
        for key, stored in stored_series(dict(first), upto).items():
            self._bars[key] = stored
            since = sum(1 for time in stored.bars.time.tolist() if time_of(time) < first[key])
            bars[key] = part(stored, since)
        return in_time(bars, first)

    def _write(self, changed: Iterable[str], valued: Iterable[str], upto: datetime) -> None:
        """Write the rows of these accounts; the portfolio comes last, with the mark."""
        accounts = sorted(changed)
        if accounts:
            rows = [row for name in accounts for row in self._books[name].trade_rows()]
            failpoint("trades.before_trades")
            replace_rows(TRADES, table_of(TRADES, rows), predicate=named(accounts))
            failpoint("trades.after_trades")
        accounts = sorted(valued)
        if accounts:
            rows = [self._books[name].portfolio_row() for name in accounts]
            replace_rows(PORTFOLIO, table_of(PORTFOLIO, rows), predicate=named(accounts), upto=upto)
            failpoint("trades.after_portfolio")


def account_terms() -> AccountTerms:
    """What every account begins with."""
    knobs = settings().trading
    return AccountTerms(exact(knobs.initial_balance), knobs.day_hours)


def orders_between(after: datetime, upto: datetime) -> list[Row]:
    """Logged orders of the batches after `after`, up to `upto`, in the order of Kafka."""
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    columns = [*COLUMNS, "ingested_at", "partition", "offset"]
    rows = cached_table(ORDERS).to_pyarrow_dataset().to_table(columns=columns, filter=window)
    order = [(name, "ascending") for name in ("ingested_at", "partition", "offset")]
    listed: list[Row] = rows.sort_by(order).select(list(COLUMNS)).to_pylist()
    return listed


def part(stored: StoredSeries, start: int) -> StoredSeries:
    """The bars from an index on."""
    bars = stored.bars.part(start, len(stored.bars))
    return StoredSeries(stored.series, bars, stored.reported[start:], stored.feed)


def in_time(series: Mapping[Key, StoredSeries], wanted: Iterable[Key]) -> list[PaperBar]:
    """The bars of the wanted series in the order in which they close."""
    bars = [
        paper_bar(series[key], at) for key in wanted if key in series for at in range(len(series[key].bars))
    ]
    return sorted(bars, key=lambda bar: (bar.closed_at, bar.time, bar.symbol))


def named(accounts: Iterable[str]) -> str:
    """The SQL predicate for the rows of these accounts, whose names hold no quotes."""
    return f"account in ({', '.join(repr(name) for name in accounts)})"


JOB = Trades
