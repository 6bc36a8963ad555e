"""Rows of silver.bars -> the bars of each series, ready for signals and for the paper engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.arrow import ordered
from lakehouse.trading.bars import Bars, Floats
from lakehouse.trading.paper_engine import PaperBar
from lakehouse.trading.sessions import missing_bars
from lakehouse.trading.signals import Series

SymbolInterval = tuple[str, str]  # symbol, interval
COLUMNS = (
    *("symbol", "asset_class", "interval", "currency", "bar_time", "open", "high", "low", "close", "volume"),
    *("previous_close", "no_trade", "final", "event_time", "source"),
)
PRICES = ("open", "high", "low", "close", "volume")
SIMULATED = "sim"  # feed of the simulator, whose clock is its newest bar
LEAST_SPLIT = 1.2  # a published previous close that differs by less is no split but a dividend
LARGEST_SPLIT = 10_000.0  # shares after for one before; a larger ratio, either way, is a fault of the feed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class StoredSeries:
    """The stored closed bars of one series. `reported`: when each was, microseconds since 1970.

    `previous_close`: close before the first bar, as published in today's shares; NaN where it was not.
    """

    series: Series
    bars: Bars
    reported: NDArray[np.int64]
    feed: str
    previous_close: float = float("nan")

    @property
    def key(self) -> SymbolInterval:
        """Symbol and interval."""
        return self.series.symbol, self.series.interval

    def with_later(self, later: "StoredSeries", kept: int) -> "StoredSeries":
        """The newest `kept` bars before, and those of `later` that begin after them."""
        start = int(np.searchsorted(later.bars.time, self.bars.time[-1], side="right"))
        new = later.bars.part(start, len(later.bars))
        old = self.bars.part(max(0, len(self.bars) - kept), len(self.bars))
        columns = {name: column for name, column in vars(old).items() if name != "mood"}
        joined = {name: np.concatenate([column, vars(new)[name]]) for name, column in columns.items()}
        joined["regular"] = regular_bars(joined["time"], joined["regular"], later.series)
        if start == 0 and len(new):  # by itself the first of the later bars has no close to be split from
            closes = np.array([self.bars.close[-1], new.close[0]])
            joined["split"][len(old)] = splits(closes, np.array([np.nan, later.previous_close]))[1]
        reported = np.concatenate([self.reported[-len(old) :], later.reported[start:]])
        return StoredSeries(later.series, Bars(**joined), reported, later.feed)


def series_of(rows: pa.Table, averages: tuple[int, int]) -> dict[SymbolInterval, StoredSeries]:
    """The closed bars of each series in rows of silver.bars (COLUMNS); of a bar the one reported last."""
    closed = ordered(rows.filter(rows["final"]), "symbol", "interval", "bar_time", "event_time")
    if not closed.num_rows:
        return {}
    times = microseconds(closed["bar_time"])
    ends = np.concatenate([ends_of_series(closed) | (times[1:] != times[:-1]), [True]])
    closed = closed.filter(pa.array(ends))
    edges = [0, *(np.flatnonzero(ends_of_series(closed)) + 1).tolist(), closed.num_rows]
    newest = closed.take(pa.array([end - 1 for end in edges[1:]])).to_pylist()
    columns: dict[str, NDArray[Any]] = {name: floats(closed[name]) for name in (*PRICES, "previous_close")}
    columns["time"] = times[ends]
    columns["reported"] = microseconds(closed["event_time"])
    columns["traded"] = ~closed["no_trade"].to_numpy(zero_copy_only=False).astype(bool)
    stored = (
        _stored({name: column[start:end] for name, column in columns.items()}, row, averages)
        for start, end, row in zip(edges[:-1], edges[1:], newest, strict=True)
    )
    return {each.key: each for each in stored}


def ends_of_series(rows: pa.Table) -> NDArray[np.bool_]:
    """(rows - 1,) whether the next row is of another series."""
    symbol, interval = (rows[name].to_numpy(zero_copy_only=False) for name in ("symbol", "interval"))
    return np.asarray((symbol[1:] != symbol[:-1]) | (interval[1:] != interval[:-1]))


def _stored(
    columns: Mapping[str, NDArray[Any]], newest: Mapping[str, Any], averages: tuple[int, int]
) -> StoredSeries:
    """The bars of one series. `newest`: its last row."""
    series = Series(newest["symbol"], newest["asset_class"], newest["interval"], newest["currency"], averages)
    bars = Bars(
        time=columns["time"],
        **{name: columns[name] for name in PRICES},
        regular=regular_bars(columns["time"], columns["traded"], series),
        split=splits(columns["close"], columns["previous_close"]),
    )
    feed = newest["source"].partition(":")[0]
    return StoredSeries(series, bars, columns["reported"], feed, float(columns["previous_close"][0]))


def floats(column: pa.ChunkedArray) -> Floats:
    """The column as doubles, NaN for null."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy())


def microseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Times as microseconds since 1970."""
    return np.asarray(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy())


def regular_bars(time: NDArray[np.int64], traded: NDArray[np.bool_], series: Series) -> NDArray[np.bool_]:
    """Bars in which something was traded, and before which none is missing."""
    kind = (series.asset_class, series.currency, series.interval)
    return np.asarray(traded & ~np.concatenate([[False], missing_bars(*kind, time[:-1], time[1:]) > 0]))


def splits(close: Floats, previous_close: Floats) -> Floats:
    """Shares after ÷ before each bar: the close before it ÷ the same as published in today's shares."""
    ratio = np.ones(len(close))
    with np.errstate(invalid="ignore", over="ignore"):
        ratio[1:] = close[:-1] / previous_close[1:]
        is_split = (ratio >= LEAST_SPLIT) | (ratio <= 1 / LEAST_SPLIT)
        is_split &= (ratio <= LARGEST_SPLIT) & (ratio >= 1 / LARGEST_SPLIT)
    return np.where(is_split, ratio, 1.0)


def time_of(microseconds_since_1970: int) -> datetime:
    """The time, UTC."""
    return EPOCH + microseconds_since_1970 * MICROSECOND


def paper_bar(stored: StoredSeries, at: int) -> PaperBar:
    """One bar for the paper engine; every number as its shortest decimal text."""
    bars = stored.bars
    opening = float(bars.open[at])
    return PaperBar(
        symbol=stored.series.symbol,
        interval=stored.series.interval,
        time=time_of(int(bars.time[at])),
        open=None if np.isnan(opening) else exact(opening),
        is_regular=bool(bars.regular[at]),
        **{name: exact(float(vars(bars)[name][at])) for name in ("close", "volume", "split", "high", "low")},
    )


def exact(value: float) -> Decimal:
    """The shortest decimal that is read as this double."""
    return Decimal(repr(value))
