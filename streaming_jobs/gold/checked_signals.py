"""Signals with what the oracle found, in the order in which it checked them."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.io.delta import EPOCH, cached_table, high_water_mark
from lakehouse.trading.outcomes import CHECKS

SIGNALS = "gold.signals"
VERIFICATIONS = "gold.verifications"
OUTCOMES = "gold.signal_outcomes"
SLACK = timedelta(hours=1)  # read again after a start, should the clock have been set back
MOST = 10_000  # taken up at once: a quarter of a second
COLUMNS = [
    *("signal_id", "symbol", "asset_class", "interval", "currency", "bar_time", "close", "signal"),
    *("confidence", "position_size_pct", "buy_probability", "sell_probability", "buy_score", "sell_score"),
]
Row = dict[str, Any]


def undecided_since() -> datetime:
    """Time of a check before which every signal has its outcome: a new process reads from there."""
    return max(EPOCH, high_water_mark(cached_table(OUTCOMES)) - SLACK)


def next_checked(since: datetime) -> tuple[list[Row], datetime, bool]:
    """(signals of the next MOST checks, each with its check; time of the last; whether these are all).

    A signal that was checked twice is FAILED if one of the checks was.
    """
    verifications = cached_table(VERIFICATIONS).to_pyarrow_dataset()
    is_new = pc.field("timestamp") > since
    times = verifications.to_table(columns=["timestamp"], filter=is_new)["timestamp"].combine_chunks().sort()
    if not len(times):
        return [], since, True
    upto: datetime = times[min(MOST, len(times)) - 1].as_py()
    columns = ["signal_id", "bar_time", "result", "timestamp", "feed_time", *CHECKS]
    checked = verifications.to_table(columns=columns, filter=is_new & (pc.field("timestamp") <= upto))
    return with_signals(checked), upto, upto == times[-1].as_py()


def with_signals(checked: pa.Table) -> list[Row]:
    """The signals of these verifications, oldest bar first."""
    ordered = checked.sort_by([("result", "descending"), ("timestamp", "descending")]).to_pylist()
    by_id = {row["signal_id"]: row for row in ordered}  # of several the first FAILED one, else the first
    wanted = pc.field("signal_id").isin(checked["signal_id"].combine_chunks())
    wanted &= (pc.field("bar_time") >= pc.min(checked["bar_time"])) & (
        pc.field("bar_time") <= pc.max(checked["bar_time"])
    )
    signals = cached_table(SIGNALS).to_pyarrow_dataset().to_table(columns=COLUMNS, filter=wanted)
    rows = signals.sort_by([("bar_time", "ascending"), ("symbol", "ascending")]).to_pylist()
    return list({row["signal_id"]: by_id[row["signal_id"]] | row for row in rows}.values())
