"""gold.series_stats: the statistics that a price is compared with."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from serving_api.reads.snapshots import Snapshot, Snapshots

TABLE = "gold.series_stats"


def series_statistics(snapshots: Snapshots, commodity: str) -> tuple[Snapshot, list[dict[str, Any]]]:
    """The statistics of every retail series of a commodity, and their version as of its newest day."""
    snapshot = snapshots.open_newest(TABLE)
    rows = snapshot.cached((commodity, "rows"), lambda: read_series(snapshot, commodity))
    days = [row["last_day"] for row in rows if row["last_day"]]
    newest = datetime.combine(max(days), datetime.min.time(), UTC) if days else None
    return replace(snapshot, newest=newest), rows


def read_series(snapshot: Snapshot, commodity: str) -> list[dict[str, Any]]:
    """The rows of every retail series of a commodity."""
    condition = (pc.field("commodity") == commodity) & (pc.field("channel") == "retail")
    rows: list[dict[str, Any]] = snapshot.read(condition).to_pylist()
    return rows
