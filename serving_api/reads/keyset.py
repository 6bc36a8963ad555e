"""Keyset pagination in Arrow: the next rows of a table in a fixed order.

Only the rows of one page become Python objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from serving_api.http.cursors import Key

# (column, "ascending" | "descending"); together the columns identify a row.
Order = Sequence[tuple[str, str]]


def comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that a cursor can hold.

    Times become microseconds, dates days since 1970, null text the empty text.
    """
    if pa.types.is_string(column.type):
        return pc.fill_null(column, "")
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return column.cast(pa.int32()) if pa.types.is_date(column.type) else column


def next_rows(rows: pa.Table, order: Order, key: Key | None, count: int) -> list[tuple[Key, dict[str, Any]]]:
    """Up to `count` (sort key, row) after `key`, in order."""
    keys = pa.table({name: comparable(rows[name]) for name, _ in order})
    if key is not None:
        later = after_key(keys, order, key)
        rows = rows.filter(later)
        keys = keys.filter(later)
    chosen = (
        pc.select_k_unstable(keys, k=min(count, keys.num_rows), sort_keys=list(order))
        if keys.num_rows
        else []
    )
    positions = pa.array(chosen, pa.uint64())
    return [
        (tuple(sort_key.values()), row)
        for sort_key, row in zip(
            keys.take(positions).to_pylist(), rows.take(positions).to_pylist(), strict=True
        )
    ]


def after_key(keys: pa.Table, order: Order, key: Key) -> pa.ChunkedArray:
    """Mask of the rows that come after `key`: the first column that differs decides."""
    after = pa.scalar(False)
    equal = pa.scalar(True)
    for (name, direction), value in zip(order, key, strict=True):
        comparison = pc.less if direction == "descending" else pc.greater
        after = pc.or_(after, pc.and_(equal, comparison(keys[name], value)))
        equal = pc.and_(equal, pc.equal(keys[name], value))
    return after


@dataclass(frozen=True)
class TimeSlice:
    """Rows with low < time <= high; None is open.

    `rows`: number of rows in the files that end in the slice.
    """

    low: datetime | None
    high: datetime | None
    rows: int

    def contains(self, column: str) -> pc.Expression:
        """The slice as an expression that lets a scan skip files."""
        condition = pc.scalar(True)
        if self.low is not None:
            condition &= pc.field(column) > self.low
        if self.high is not None:
            condition &= pc.field(column) <= self.high
        return condition


def time_slices(actions: pa.Table, column: str, rows: int, growth: int = 1) -> list[TimeSlice]:
    """The table's time in slices, newest first, from the file statistics of `column`.

    Each slice reads about `rows` rows, the next one `growth` times as many. `actions`: the files, as delta-rs
    flattens them. Files without statistics make it one slice.
    """
    name = f"max.{column}"
    counts = actions["num_records"].to_pylist()
    if name not in actions.column_names or actions[name].null_count or None in counts:
        return [TimeSlice(None, None, sum(count or 0 for count in counts))]
    ends = [end if end.tzinfo else end.replace(tzinfo=UTC) for end in actions[name].to_pylist()]
    slices: list[TimeSlice] = []
    high: datetime | None = None
    collected = 0
    for end, count in sorted(zip(ends, counts, strict=True), reverse=True):
        if collected >= rows and end != high:
            slices.append(TimeSlice(end, high, collected))
            high = end
            collected = 0
            rows *= growth
        collected += count
    return [*slices, TimeSlice(None, high, collected)]
