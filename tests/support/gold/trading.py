"""Bars and paper orders: signals, verifications and books."""

import random
from datetime import datetime

import numpy as np

from conf.settings import settings
from lakehouse.trading.books import COLUMNS, Book
from lakehouse.trading.oracle import Checks
from lakehouse.trading.series_bars import StoredSeries, SymbolInterval, series_of, time_of
from lakehouse.trading.signal_rows import live_row, signal_rows, verification_row
from streaming_jobs.gold.trades import account_terms, in_time, part
from tests.lakehouse.trading.made_bars import random_bars
from tests.support.gold.subject import Row, Tables
from tests.support.trading.bars_lake import bar_rows, order_row


def bars_and_orders(rng: random.Random) -> dict[str, list[Row]]:
    """Bars of two coins, and orders of two accounts at some of them."""
    seeds = {"COIN": 1, "OTHER": 2}
    bars = {symbol: bar_rows(random_bars(seed, 290), 0, 290, symbol) for symbol, seed in seeds.items()}
    orders = []
    for number, at in enumerate(sorted(rng.sample(range(250, 288), 12))):
        bar = bars[rng.choice(list(bars))][at]
        more = {"account": rng.choice(["ana", "budi"]), "offset": number}
        orders.append(order_row(f"t{number:02}", rng.choice(["BUY", "BUY", "SELL"]), 3.0, bar, **more))
    return {"silver.bars": [*bars["COIN"], *bars["OTHER"]], "silver.orders": orders}


def _series(tables: Tables) -> dict[SymbolInterval, StoredSeries]:
    return series_of(tables["silver.bars"], settings().indicators.ma)


def bars_live(tables: Tables, newest: datetime) -> list[Row]:
    """The newest bar of each series."""
    return [live_row(stored) for stored in _series(tables).values()]


def signals(tables: Tables, newest: datetime) -> list[Row]:
    """Signals of each series in one go."""
    series = _series(tables).values()
    return [row for stored in series for row in signal_rows(stored, 0, len(stored.bars), None)[0]]


def verifications(tables: Tables, newest: datetime) -> list[Row]:
    """Every check passes."""
    passed = Checks(True, True, True, True)
    return [verification_row(row, passed, newest) for row in signals(tables, newest)]


def _books(tables: Tables) -> list[Book]:
    """Each account's book: all of its orders, then all bars from its first order on."""
    series = _series(tables)
    books: dict[str, Book] = {}
    for order in sorted(tables["silver.orders"].to_pylist(), key=lambda row: row["offset"]):
        book = books.setdefault(order["account"], Book(order["account"], account_terms()))
        book.log({name: order[name] for name in COLUMNS})
    for book in books.values():
        first = book.series
        since = {
            key: part(stored, int(np.sum([time_of(time) < first[key] for time in stored.bars.time.tolist()])))
            for key, stored in series.items()
            if key in first
        }
        book.replay(in_time(since, first))
    return list(books.values())


def trades(tables: Tables, newest: datetime) -> list[Row]:
    """The trades of all books."""
    return [row for book in _books(tables) for row in book.trade_rows()]


def portfolio(tables: Tables, newest: datetime) -> list[Row]:
    """The state of all books."""
    return [book.portfolio_row() for book in _books(tables)]
