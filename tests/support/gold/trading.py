"""Bars and paper orders: signals, verifications and books."""

import json
import random
from datetime import datetime

import numpy as np

from conf.settings import settings
from lakehouse.io.delta import open_table
from lakehouse.trading.books import COLUMNS, Book
from lakehouse.trading.oracle import Checks
from lakehouse.trading.outcomes import HouseOrder, outcome_row
from lakehouse.trading.series_bars import StoredSeries, SymbolInterval, series_of, time_of
from lakehouse.trading.signal_rows import live_row, signal_rows, verification_row
from lakehouse.trading.signals import Series, signal_at
from streaming_jobs.gold.trades import account_terms, in_time, part
from tests.lakehouse.trading.made_bars import random_bars
from tests.support.gold.subject import Row, Tables
from tests.support.trading.bars_lake import bar_rows, order_row


def bars_and_orders(rng: random.Random) -> dict[str, list[Row]]:
    """Bars of two coins, orders of two accounts at some of them, and those of the house at BUY and SELL."""
    walks = {"COIN": random_bars(1, 290), "OTHER": random_bars(21, 290, moves=0.01, swing=0.5)}
    bars = {symbol: bar_rows(walk, 0, 290, symbol) for symbol, walk in walks.items()}
    orders = []
    for number, at in enumerate(sorted(rng.sample(range(250, 288), 12))):
        bar = bars[rng.choice(list(bars))][at]
        more = {"account": rng.choice(["ana", "budi"]), "offset": number}
        orders.append(order_row(f"t{number:02}", rng.choice(["BUY", "BUY", "SELL"]), 3.0, bar, **more))
    for at in range(250, 290):
        signal = signal_at(walks["OTHER"], at + 1, Series("OTHER", "crypto", "1d", "USD"))
        if signal and signal.direction != "HOLD" and at % 4:
            bar = bars["OTHER"][at]
            name = f"OTHER-1d-{bar['bar_time']:%Y%m%dT%H%MZ}"
            more = {"account": "house", "signal_id": name, "offset": len(orders)}
            if at % 4 == 1:
                broken = [{"rule": "cash", "limit": 1.0, "actual": 2.0}]
                more |= {"status": "REJECTED", "validation": json.dumps({"violations": broken})}
            orders.append(order_row(f"house-{name}", signal.direction, 1.0, bar, **more))
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
    """Every check passes, but for a large position at a high risk."""
    rows = []
    for row in signals(tables, newest):
        small = row["risk_score"] <= 80 or row["position_size_pct"] <= 5
        rows.append(verification_row(row, Checks(True, small, True, True), newest))
    return rows


def signal_outcomes(tables: Tables, newest: datetime) -> list[Row]:
    """All signals with their checks as they were stored, and the orders of the house."""
    checks = {
        row["signal_id"]: row for row in open_table("gold.verifications").to_pyarrow_table().to_pylist()
    }
    orders = {row["signal_id"]: row for row in trades(tables, newest) if row["account"] == "house"}
    given = {
        name: HouseOrder(order["status"], order["violations"], order["decided_at"])
        for name, order in orders.items()
    }
    rows = [
        outcome_row(checks[row["signal_id"]] | row, given.get(row["signal_id"]))
        for row in signals(tables, newest)
    ]
    assert {row["fate"] for row in rows if row} == {"held", "traded", "refused"}, "each of them is compared"
    return [row for row in rows if row]


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
