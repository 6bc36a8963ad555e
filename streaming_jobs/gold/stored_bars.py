"""The stored bars of a series as far back as a signal needs them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.io.delta import open_table
from lakehouse.trading.indicators import WINDOW
from lakehouse.trading.series_bars import COLUMNS, StoredSeries, SymbolInterval, series_of, time_of
from streaming_jobs.gold.driver import News

TABLE = "silver.bars"
# Time that holds WINDOW bars of a series that is traded as usual; others are read whole.
LOOK_BACK = {
    "1m": timedelta(days=14),
    "5m": timedelta(days=28),
    "15m": timedelta(days=56),
    "1d": timedelta(days=1100),
}
FIRST_TIME = datetime.min.replace(tzinfo=UTC)


def rows_of(news: News) -> pa.Table:
    """Bars of the batches."""
    return news.of(TABLE).to_table(columns=list(COLUMNS))


def read(condition: pc.Expression) -> pa.Table:
    """The rows that match."""
    return open_table(TABLE).to_pyarrow_dataset().to_table(columns=list(COLUMNS), filter=condition)


def stored_series(
    wanted: Mapping[SymbolInterval, datetime | None], upto: datetime
) -> dict[SymbolInterval, StoredSeries]:
    """The bars of each wanted series from batches up to `upto`.

    `wanted`: the time of a bar that needs WINDOW bars up to it, where there are so many; None: all bars.
    """
    recent = {key: time for key, time in wanted.items() if time is not None}
    series: dict[SymbolInterval, StoredSeries] = {}
    for interval, look_back in LOOK_BACK.items():
        times = [time for key, time in recent.items() if key[1] == interval]
        if times:
            symbols = [key[0] for key in recent if key[1] == interval]
            condition = of(symbols, interval, upto) & (pc.field("bar_time") >= before(min(times), look_back))
            series |= series_of(read(condition), settings().indicators.ma)
    short = [key for key in wanted if key not in series or reaches_too_little(series[key], recent.get(key))]
    for interval in LOOK_BACK:
        symbols = [key[0] for key in short if key[1] == interval]
        if symbols:
            series |= series_of(read(of(symbols, interval, upto)), settings().indicators.ma)
    return {key: series[key] for key in wanted if key in series}


def before(time: datetime, look_back: timedelta) -> datetime:
    """The time `look_back` earlier; the first that there is where that would be before it."""
    return FIRST_TIME if time - FIRST_TIME < look_back else time - look_back


def of(symbols: list[str], interval: str, upto: datetime) -> pc.Expression:
    """The bars of these symbols and this interval."""
    condition = pc.field("symbol").isin(symbols) & (pc.field("interval") == interval)
    return condition & (pc.field("ingested_at") <= upto)


def reaches_too_little(stored: StoredSeries, time: datetime | None) -> bool:
    """Whether fewer than WINDOW bars end with the bar of this time."""
    return time is None or len(stored.bars) < WINDOW or time_of(int(stored.bars.time[WINDOW - 1])) > time
