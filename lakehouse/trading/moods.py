"""Sentiment beside the bars of a symbol: that of the posts of the market day before each bar begins."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakehouse.sentiment.daily import score_of
from lakehouse.trading.bars import Floats
from lakehouse.trading.market_terms import QUOTES
from lakehouse.trading.series_bars import StoredSeries

DAY = timedelta(days=1) // timedelta(microseconds=1)
JAKARTA = timedelta(hours=7) // timedelta(microseconds=1)
FIRST = date(1970, 1, 1)
Counts = Mapping[str, Mapping[int, tuple[int, int]]]  # subject -> day since 1970 -> positive, negative posts


def counts_of(rows: Iterable[Mapping[str, Any]]) -> Counts:
    """The posts about each symbol and day. `rows`: of gold.sentiment with subject kind `symbol`."""
    counts: dict[str, dict[int, tuple[int, int]]] = {}
    for row in rows:
        day = (row["market_date"] - FIRST).days
        counts.setdefault(row["subject"], {})[day] = (row["positive"], row["negative"])
    return counts


def with_moods(stored: StoredSeries, counts: Counts) -> StoredSeries:
    """The series with its sentiment; itself when no post names it."""
    days: dict[int, tuple[int, int]] = {}
    for name in names_of(stored):
        for day, (positive, negative) in counts.get(name, {}).items():
            before = days.get(day, (0, 0))
            days[day] = (before[0] + positive, before[1] + negative)
    if not days:
        return stored
    return replace(stored, bars=replace(stored.bars, mood=lagged(stored.bars.time, days)))


def names_of(stored: StoredSeries) -> list[str]:
    """How posts name the symbol: as its bars do, or by the coin alone."""
    symbol = stored.series.symbol
    coins = [symbol.removesuffix(quote) for quote in QUOTES if quote and symbol.endswith(quote)]
    return list(dict.fromkeys([symbol, *(coins if stored.series.asset_class == "crypto" else [])]))


def lagged(time: NDArray[np.int64], days: Mapping[int, tuple[int, int]]) -> Floats:
    """(bars,) score of the day before each bar begins, -1 to 1; NaN without a post.

    `time`: begin of the bars, microseconds since 1970; days are those of Jakarta. What is posted on the day
    of the bar or later changes nothing.
    """
    known = np.array(sorted(days), dtype=np.int64)
    scores = np.array([score_of(*days[day]) for day in known.tolist()])
    wanted = (time + JAKARTA) // DAY - 1
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, scores[place], np.nan)
