"""Rows of a table that is opened on request, filtered and in a fixed order, as items of a page."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from serving_api.reads.snapshots import Snapshot


def read_rows(snapshot: Snapshot, condition: pc.Expression, columns: Sequence[str]) -> pa.Table | None:
    """The columns of the rows that match; None before the table's first commit."""
    return None if snapshot.delta is None else snapshot.read(condition, columns)


def first_row(snapshot: Snapshot, condition: pc.Expression, columns: Sequence[str]) -> dict[str, Any] | None:
    """The first row that matches; None without one."""
    rows = read_rows(snapshot, condition, columns)
    listed: list[dict[str, Any]] = rows.slice(0, 1).to_pylist() if rows is not None else []
    return listed[0] if listed else None
