"""The newest signal of each symbol, and what the oracle found."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.trading.series_bars import SymbolInterval
from serving_api.reads.file_aggregates import FileAggregates
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.trading.market import SignalIndicators

SIGNALS = "gold.signals"
VERIFICATIONS = "gold.verifications"
Row = dict[str, Any]
NewestSignals = FileAggregates[dict[SymbolInterval, Row]]
INDICATORS = tuple(SignalIndicators.model_fields)
# Columns of a signal that requests read.
COLUMNS = [
    *("signal_id", "symbol", "asset_class", "interval", "bar_time", "signal", "confidence", "risk_score"),
    *("buy_probability", "sell_probability", "position_size_pct", "buy_score", "sell_score"),
    *INDICATORS,
]


def newest_signals(snapshots: Snapshots) -> NewestSignals:
    """The newest signal of each series in each file of gold.signals."""
    return FileAggregates(snapshots, SIGNALS, COLUMNS, newest_of_file)


def newest_of_file(rows: pa.Table) -> dict[SymbolInterval, Row]:
    """The newest row of each series."""
    newest = rows.group_by(["symbol", "interval"]).aggregate([("bar_time", "max")])
    times = {(row["symbol"], row["interval"]): row["bar_time_max"] for row in newest.to_pylist()}
    candidates = rows.filter(pc.is_in(rows["bar_time"], value_set=newest["bar_time_max"].unique()))
    listed = ((key_of(row), row) for row in candidates.to_pylist())
    return {key: row for key, row in listed if times[key] == row["bar_time"]}


def key_of(row: Row) -> SymbolInterval:
    """Symbol and interval of a row."""
    return row["symbol"], row["interval"]


def newest_signal(signals: NewestSignals, symbol: str, interval: str) -> tuple[Snapshot, Row | None]:
    """(snapshot, newest signal of a series; None while it warms up)."""
    snapshot, by_file = signals.read()
    key = (symbol, interval)
    rows = [newest[key] for newest in by_file.values() if key in newest]
    return snapshot, max(rows, key=lambda row: row["bar_time"], default=None)


def signal_named(signals: NewestSignals, signal_id: str) -> Row | None:
    """The signal with this id."""
    snapshot, _ = signals.read()
    return snapshot.first_row(pc.field("signal_id") == signal_id, COLUMNS)


def verification_of(snapshots: Snapshots, signal: Row) -> tuple[Snapshot, str]:
    """(snapshot, VERIFIED, FAILED or PENDING) of a signal; every verification must have passed."""
    snapshot = snapshots.open_newest(VERIFICATIONS)

    def read() -> str:
        condition = pc.field("signal_id") == signal["signal_id"]
        condition &= pc.field("bar_time") == signal["bar_time"]
        failed = snapshot.first_row(condition & (pc.field("result") == "FAILED"), ["result"])
        return str((failed or snapshot.first_row(condition, ["result"]) or {"result": "PENDING"})["result"])

    return snapshot, snapshot.cached(("verification", signal["signal_id"]), read)
