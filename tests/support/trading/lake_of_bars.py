"""Bars and signals of a lake that the API or the trainer reads."""

import json
from decimal import Decimal
from typing import Any

from lakehouse.trading.bars import Bars
from lakehouse.trading.books import AccountTerms, Book
from lakehouse.trading.oracle import Checks
from lakehouse.trading.outcomes import outcome_row
from lakehouse.trading.series_bars import StoredSeries, paper_bar
from lakehouse.trading.signal_rows import live_row, signal_rows, verification_row
from lakehouse.trading.signals import Series
from scripts.bench.api_lake import write
from tests.lakehouse.trading.made_bars import COIN, random_bars
from tests.support.trading.bars_lake import bar_rows, order_row


def rows_of(series: Series, bars: Bars) -> list[dict[str, Any]]:
    """The bars as rows of silver.bars, with what the stream adds."""
    about = {"asset_class": series.asset_class, "currency": series.currency}
    return [
        row | about | {"bar_date": row["bar_time"].date(), "ingested_at": row["event_time"]}
        for row in bar_rows(bars, 0, len(bars), series.symbol, series.interval)
    ]


def write_bars(root: str, series: Series, bars: Bars) -> None:
    """Append the bars to silver.bars."""
    write(root, "silver.bars", rows_of(series, bars))


def write_signals(root: str, series: Series, bars: Bars, newest: int = 30) -> None:
    """Append what follows from the bars: live bar, newest signals, verifications, outcomes."""
    stored = StoredSeries(series, bars, bars.time, "file")
    signals, _ = signal_rows(stored, len(bars) - newest, len(bars), None)
    checks = Checks(True, True, True, True)
    write(root, "gold.bars_live", [live_row(stored)])
    write(root, "gold.signals", signals)
    verified = [verification_row(row, checks, row["reported_at"]) for row in signals]
    write(root, "gold.verifications", verified)
    pairs = zip(signals, verified, strict=True)
    outcomes = [outcome_row(signal | checked, None) for signal, checked in pairs]
    write(root, "gold.signal_outcomes", [row for row in outcomes if row is not None])


def write_coin(root: str) -> None:
    """Append 260 bars of COIN and what follows from them, with its five newest signals."""
    bars = random_bars(1, 260)
    write_bars(root, COIN, bars)
    write_signals(root, COIN, bars, newest=5)


def write_house(root: str, series: Series, bars: Bars) -> Book:
    """Append what the house account holds after some orders of the last ten bars; one still waits.

    It bought and sold twice, so two trades are closed; one order was refused by the oracle and by a limit.
    """
    stored = StoredSeries(series, bars, bars.time, "file")
    rows = rows_of(series, bars)[-10:]
    sides = {0: "BUY", 2: "SELL", 4: "BUY", 6: "SELL", 9: "BUY"}
    book = Book("house", AccountTerms(Decimal(10_000), 7))
    for at, side in sides.items():
        book.log(order_row(f"t-house-{at}", side, 10.0, rows[at], account="house"))
    broken = [{"rule": "min_confidence", "limit": 0.65, "actual": 0.41}]
    refused = {"status": "REJECTED", "oracle": "FAILED", "confidence": 0.41}
    verdict = {"validation": json.dumps({"result": "INVALID", "violations": broken})}
    book.log(order_row("t-refused", "BUY", 10.0, rows[8], account="house", **refused, **verdict))
    book.replay([paper_bar(stored, at) for at in range(len(bars) - 9, len(bars))])
    write(root, "gold.trades", book.trade_rows())
    write(root, "gold.portfolio", [book.portfolio_row()])
    return book
