"""The next rows of a table in a fixed order, behind a cursor: decided in Arrow, so that only a page is taken apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from serving_api.paging import Key

Order = Sequence[tuple[str, str]]  # (column, "ascending" | "descending"); together the columns tell all rows apart


def comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as microseconds, days as days since 1970, no text as an empty one: what a cursor can carry and compare."""
    if pa.types.is_string(column.type):
        return pc.fill_null(column, "")
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return column.cast(pa.int32()) if pa.types.is_date(column.type) else column


def next_rows(rows: pa.Table, order: Order, key: Key | None, count: int) -> list[tuple[Key, dict[str, Any]]]:
    """Up to `count` (sort key, row) behind `key`, in order."""
    keys = pa.table({name: comparable(rows[name]) for name, _ in order})
    if key is not None:
        wanted = behind(keys, order, key)
        rows, keys = rows.filter(wanted), keys.filter(wanted)
    chosen = pc.select_k_unstable(keys, k=min(count, keys.num_rows), sort_keys=list(order)) if keys.num_rows else []
    places = pa.array(chosen, pa.uint64())
    return [
        (tuple(place.values()), row)
        for place, row in zip(keys.take(places).to_pylist(), rows.take(places).to_pylist(), strict=True)
    ]


def behind(keys: pa.Table, order: Order, key: Key) -> pa.ChunkedArray:
    """Which rows come after `key`: the first column that differs decides."""
    found, equal = pa.scalar(False), pa.scalar(True)
    for (name, direction), value in zip(order, key, strict=True):
        later = pc.less if direction == "descending" else pc.greater
        found = pc.or_(found, pc.and_(equal, later(keys[name], value)))
        equal = pc.and_(equal, pc.equal(keys[name], value))
    return found


@dataclass(frozen=True)
class Slice:
    """Rows with low < time <= high; an open end is None. `rows`: how many the files hold that end in it."""

    low: datetime | None
    high: datetime | None
    rows: int

    def holds(self, column: str) -> pc.Expression:
        """The slice as an expression that files can be skipped by."""
        wanted = pc.scalar(True)
        if self.low is not None:
            wanted &= pc.field(column) > self.low
        if self.high is not None:
            wanted &= pc.field(column) <= self.high
        return wanted


def slices(actions: pa.Table, column: str, rows: int, growth: int = 1) -> list[Slice]:
    """The table's time cut into slices, newest first, by what its files say of `column`: each reads about `rows` rows, the next
    `growth` times as many. `actions`: the files, as delta-rs flattens them. Files that say nothing make it one slice."""
    name = f"max.{column}"
    counts = actions["num_records"].to_pylist()
    if name not in actions.column_names or actions[name].null_count or None in counts:
        return [Slice(None, None, sum(count or 0 for count in counts))]
    ends = [end if end.tzinfo else end.replace(tzinfo=UTC) for end in actions[name].to_pylist()]
    found: list[Slice] = []
    high, held = None, 0
    for end, count in sorted(zip(ends, counts, strict=True), reverse=True):
        if held >= rows and end != high:
            found.append(Slice(end, high, held))
            high, held, rows = end, 0, rows * growth
        held += count
    return [*found, Slice(None, high, held)]
