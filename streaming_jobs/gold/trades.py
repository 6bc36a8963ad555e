"""silver.orders, silver.bars -> gold.trades, gold.portfolio: each account's book, kept in memory.

After a restart the books are computed again from the log.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.arrow import ordered
from lakehouse.trading.books import COLUMNS, AccountTerms, Book, Row
from lakehouse.trading.paper_engine import PaperBar
from lakehouse.trading.series_bars import StoredSeries, SymbolInterval, exact, paper_bar, series_of, time_of
from streaming_jobs.gold.checked_signals import VERIFICATIONS
from streaming_jobs.gold.driver import BALANCE, BatchJob, Change, News, among
from streaming_jobs.gold.house import HOUSE, House
from streaming_jobs.gold.stored_bars import rows_of, stored_series

ORDERS = "silver.orders"
TRADES = "gold.trades"
PORTFOLIO = "gold.portfolio"


class Trades(BatchJob):
    """Keeps the books of all accounts."""

    name = "trades"
    tables = (TRADES, PORTFOLIO)
    sources = (BALANCE, VERIFICATIONS)
    kinds = ("order", "bar")
    has_memory = True

    def __init__(self) -> None:
        super().__init__()
        self._house = House()
        self._books: dict[str, Book] = {}
        self._bars: dict[SymbolInterval, StoredSeries] = {}  # newest bars of the series that are traded

    def reset(self) -> None:
        """Forget the books."""
        self._books.clear()

    def changes(self) -> Iterator[Change]:
        """What new orders and bars give; then the house follows the signals."""
        yield from super().changes()
        self._house.follow(self._book(HOUSE))

    def _book(self, account: str) -> Book:
        """The book of an account, begun where it has none."""
        return self._books.setdefault(account, Book(account, account_terms()))

    def compute(self, news: News) -> Iterator[Change]:
        """The rows of the accounts whose books changed."""
        orders = orders_of(news)
        traded = {book.name for book in self._books.values()}
        bars = {} if news.is_everything else self._new_bars(news)
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
                book.replay(self._all_bars(book, news.upto))
                changed.add(book.name)
        yield from self._rows(changed, changed | valued)

    def _new_bars(self, news: News) -> dict[SymbolInterval, StoredSeries]:
        """New bars of the traded series."""
        wanted = {key for book in self._books.values() for key in book.series}
        if not wanted:
            return {}
        new = series_of(rows_of(news), settings().indicators.ma)
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

    def _rows(self, changed: Iterable[str], valued: Iterable[str]) -> Iterator[Change]:
        """The rows of these accounts; the portfolio comes last."""
        accounts = sorted(changed)
        if accounts:
            rows = [row for name in accounts for row in self._books[name].trade_rows()]
            failpoint("trades.before_trades")
            yield Change(TRADES, rows, among("account", accounts))
            failpoint("trades.after_trades")
        accounts = sorted(valued)
        if accounts:
            rows = [self._books[name].portfolio_row() for name in accounts]
            yield Change(PORTFOLIO, rows, among("account", accounts))
            failpoint("trades.after_portfolio")


def account_terms() -> AccountTerms:
    """What every account begins with."""
    knobs = settings().trading
    return AccountTerms(exact(knobs.initial_balance), knobs.day_hours)


def orders_of(news: News) -> list[Row]:
    """Logged orders of the batches in the order of Kafka."""
    rows = news.of(ORDERS).to_table(columns=[*COLUMNS, "ingested_at", "partition", "offset"])
    listed: list[Row] = ordered(rows, "ingested_at", "partition", "offset").select(list(COLUMNS)).to_pylist()
    return listed


def part(stored: StoredSeries, start: int) -> StoredSeries:
    """The bars from an index on."""
    bars = stored.bars.part(start, len(stored.bars))
    return StoredSeries(stored.series, bars, stored.reported[start:], stored.feed)


def in_time(
    series: Mapping[SymbolInterval, StoredSeries], wanted: Iterable[SymbolInterval]
) -> list[PaperBar]:
    """The bars of the wanted series in the order in which they close."""
    bars = [
        paper_bar(series[key], at) for key in wanted if key in series for at in range(len(series[key].bars))
    ]
    return sorted(bars, key=lambda bar: (bar.closed_at, bar.time, bar.symbol))


JOB = Trades
