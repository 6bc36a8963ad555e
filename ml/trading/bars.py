"""silver.bars -> the bars of one symbol, and daily closes of all symbols as a panel."""

from datetime import UTC, date, datetime, time

import numpy as np
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.io.delta import open_if_exists, read_columns
from lakehouse.io.moods import Moods
from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.moods import with_moods
from lakehouse.trading.series_bars import COLUMNS, StoredSeries, SymbolInterval, series_of
from ml.data.panel import NothingToLearn, Panel

TABLE = "silver.bars"
DAY = "1d"


def stored_bars(condition: pc.Expression) -> dict[SymbolInterval, StoredSeries]:
    """The closed bars of each series among the rows that match. Raises NothingToLearn without the table."""
    rows = read_columns(TABLE, list(COLUMNS), condition)
    if rows is None:
        raise NothingToLearn("silver.bars is empty: load bars first")
    return series_of(rows, settings().indicators.ma)


def bars_of(
    symbol: str, first: date | None = None, end: date | None = None, interval: str | None = None
) -> StoredSeries:
    """The bars of a symbol that begin in the days [first, end), UTC, of this interval.

    Without an interval daily ones where there are any, else the shortest. Raises NothingToLearn without any.
    """
    condition = pc.field("symbol") == symbol
    if interval is not None:
        condition &= pc.field("interval") == interval
    if first is not None:
        condition &= pc.field("bar_time") >= datetime.combine(first, time(), UTC)
    if end is not None:
        condition &= pc.field("bar_time") < datetime.combine(end, time(), UTC)
    stored = stored_bars(condition)
    if not stored:
        raise NothingToLearn(f"there are no bars of {symbol}")
    shortest = min(stored.values(), key=lambda each: INTERVALS[each.series.interval])
    return with_moods(stored.get((symbol, DAY), shortest), Moods().read())


def stored_symbols() -> list[str]:
    """Every symbol with bars, sorted. Raises NothingToLearn without any."""
    rows = read_columns(TABLE, ["symbol"])
    if not rows:
        raise NothingToLearn("silver.bars is empty: load bars first")
    return sorted(rows["symbol"].unique().to_pylist())


def daily_panel() -> Panel:
    """Daily closes, a series per symbol: its asset class as region, its currency as unit.

    They are in shares of the newest bar; a day on which nothing was traded has no price. Raises
    NothingToLearn without daily bars.
    """
    table = open_if_exists(TABLE)
    stored = sorted(stored_bars(pc.field("interval") == DAY).items())
    if not stored or table is None:
        raise NothingToLearn("silver.bars holds no daily bar")
    every = [each for _, each in stored]
    times = [each.bars.time.astype("datetime64[us]").astype("datetime64[D]") for each in every]
    days = np.arange(min(part[0] for part in times), max(part[-1] for part in times) + 1)
    price = np.full((len(every), len(days)), np.nan)
    for row, (each, own_days) in enumerate(zip(every, times, strict=True)):
        bars = each.bars.adjusted()
        column = (own_days - days[0]).astype(np.int64)
        price[row, column] = np.where(bars.volume > 0, bars.close, np.nan)
    return Panel(
        tuple(each.series.symbol for each in every),
        tuple(each.series.asset_class for each in every),
        tuple(each.series.currency for each in every),
        days,
        price,
        source={"version": table.version()},
    )
