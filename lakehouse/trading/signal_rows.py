"""Signals, their verification and the newest bars as rows of the gold tables."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import numpy as np

from lakehouse.trading.bars import Bars
from lakehouse.trading.indicators import NAMES, balance_volume
from lakehouse.trading.oracle import Checks, signal_hash
from lakehouse.trading.series_bars import StoredSeries, time_of
from lakehouse.trading.signals import Signal, signal_at

Row = dict[str, Any]
OF_SERIES = ("symbol", "asset_class", "interval", "currency")
CLOSES = 100  # of gold.bars_live
COPIED = (
    *("confidence", "buy_probability", "sell_probability", "risk_score", "position_size_pct"),
    *("buy_score", "sell_score", "sentiment", "model_run", "data_version"),
)
DAY = timedelta(days=1) // timedelta(microseconds=1)


def signal_rows(stored: StoredSeries, start: int, end: int, obv: float | None) -> tuple[list[Row], float]:
    """(rows of gold.signals for the bars [start, end), on-balance volume after them).

    `obv`: that of the bar before `start`; None: the series begins at `start`, which is 0 then.
    """
    bars = stored.bars
    first = start if obv is None else start - 1
    volumes = balance_volume(obv, bars.close[first:end], bars.volume[first:end])[start - first :]
    rows = []
    for at in range(start, end):
        signal = signal_at(bars, at + 1, stored.series)
        if signal is not None:
            rows.append(signal_row(stored, at, signal, float(volumes[at - start])))
    return rows, float(volumes[-1])


def signal_row(stored: StoredSeries, at: int, signal: Signal, obv: float) -> Row:
    """The signal of one bar as a row of gold.signals."""
    series = stored.series
    time = time_of(signal.time)
    row: Row = {
        "signal_id": f"{series.symbol}-{series.interval}-{time:%Y%m%dT%H%MZ}",
        **{name: getattr(series, name) for name in OF_SERIES},
        "bar_time": time,
        "reported_at": time_of(int(stored.reported[at])),
        "bar_closed": True,
        "close": float(stored.bars.close[at]),
        "signal": signal.direction,
        "obv": obv,
    }
    row |= {name: getattr(signal, name) for name in COPIED}
    row |= {name: value if isfinite(value := signal.indicators[name]) else None for name in NAMES}
    return row | {"hash": signal_hash(row)}


def verification_row(
    row: Mapping[str, Any], checks: Checks, at: datetime, feed_time: datetime | None = None
) -> Row:
    """The outcome of the checks of a signal as a row of gold.verifications.

    `feed_time`: the time by the clock of the feed; None: it is that of everybody.
    """
    named = {name: row[name] for name in ("signal_id", "symbol", "interval", "bar_time")}
    return {
        "verification_id": f"v-{row['signal_id']}",
        **named,
        "result": checks.result,
        "hash": signal_hash(row),
        **vars(checks),
        "timestamp": at,
        "feed_time": feed_time or at,
    }


def live_row(stored: StoredSeries) -> Row:
    """The newest bar of a series as a row of gold.bars_live."""
    bars = stored.bars
    newest = len(bars) - 1
    opening = float(bars.open[newest])
    adjusted = bars.adjusted()
    return {
        **{name: getattr(stored.series, name) for name in OF_SERIES},
        "feed": stored.feed,
        "bar_time": time_of(int(bars.time[newest])),
        "event_time": time_of(int(stored.reported[newest])),
        "open": None if np.isnan(opening) else opening,
        **{name: float(vars(bars)[name][newest]) for name in ("high", "low", "close", "volume")},
        "is_regular": bool(bars.regular[newest]),
        "change_24h_pct": change_of_a_day(adjusted),
        "closes": adjusted.close[-CLOSES:].tolist(),
    }


def change_of_a_day(bars: Bars) -> float | None:
    """Percent by which the newest close differs from the one 24 hours earlier; None without one."""
    before = int(np.searchsorted(bars.time, bars.time[-1] - DAY, side="right")) - 1
    return 100 * (float(bars.close[-1]) / float(bars.close[before]) - 1) if before >= 0 else None
