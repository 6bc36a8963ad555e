"""The newest bars of symbols: prices, marks, and whether a market is current."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.series_bars import EPOCH, MICROSECOND, SIMULATED
from lakehouse.trading.sessions import missing_bars
from serving_api.http.problems import Problem
from serving_api.reads.responses import to_json_value
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.reads.supported import meant_symbol

TABLE = "gold.bars_live"
REPLAYED = ("file", SIMULATED)  # feeds whose clock is their newest bar
STALE_INTERVALS = 3
DAILY = "1d"
Row = dict[str, Any]


def closed_at(row: Mapping[str, Any]) -> datetime:
    """End of a bar."""
    end: datetime = row["bar_time"] + INTERVALS[row["interval"]]
    return end


def live_bars(snapshot: Snapshot) -> dict[str, Row]:
    """Symbol -> its newest bar, of the interval whose bar closed last; of equals the shortest."""

    def read() -> dict[str, Row]:
        rows = sorted(snapshot.rows.to_pylist(), key=lambda row: (closed_at(row), row["bar_time"]))
        return {row["symbol"]: row for row in rows}

    return snapshot.cached("live bars", read)


def usual_interval(snapshot: Snapshot, symbol: str) -> str:
    """Length of the bars shown of a symbol: a day where it has daily bars, else that of its newest bar."""
    intervals = snapshot.rows.filter(pc.field("symbol") == symbol)["interval"].to_pylist()
    newest = live_bars(snapshot).get(symbol)
    return DAILY if DAILY in intervals or newest is None else str(newest["interval"])


def named_bar(snapshot: Snapshot, symbol: str) -> Row | None:
    """The newest bar of a symbol, in any case of its letters, or of the coin's pair with the dollar."""
    bars = live_bars(snapshot)
    name = meant_symbol(bars, symbol)
    return bars[name] if name else None


def bar_of(snapshots: Snapshots, symbol: str) -> Row:
    """`named_bar`. Raises Problem 404."""
    row = named_bar(snapshots[TABLE], symbol)
    if row is None:
        raise Problem("unknown-symbol", name=symbol[:60])
    return row


def is_stale(snapshot: Snapshot, row: Row, now: datetime) -> bool:
    """Whether the newest bar is older than three intervals by the clock of its feed.

    The clock of a feed that is replayed is its newest bar of this class and interval, that of any other one
    is the wall clock. Of shares only the time counts in which their exchange is open.
    """
    clock = now
    same = ("feed", "asset_class", "interval")
    if row["feed"] in REPLAYED:
        others = live_bars(snapshot).values()
        clock = max(closed_at(other) for other in others if all(other[name] == row[name] for name in same))
    if row["asset_class"] == "equity":
        between = (np.array([(time - EPOCH) // MICROSECOND]) for time in (row["bar_time"], clock))
        return bool(missing_bars("equity", row["currency"], row["interval"], *between) > STALE_INTERVALS)
    return clock - closed_at(row) > STALE_INTERVALS * INTERVALS[row["interval"]]


def from_simulator(row: Mapping[str, Any]) -> bool:
    """Whether the simulator reported the bar."""
    return bool(row["feed"] == SIMULATED)


def market_price(row: Mapping[str, Any]) -> Row:
    """A row of gold.bars_live as an item."""
    named = ("symbol", "asset_class", "currency", "change_24h_pct", "event_time")
    return {name: to_json_value(row[name]) for name in named} | {"price": row["close"]}
