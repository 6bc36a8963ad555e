"""The balance of all events, per kind and per hour: sums over gold.balance."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import kinds
from lakehouse.times import utc_text
from serving_api.reads.file_aggregates import FileAggregates
from serving_api.reads.snapshots import Snapshot, Snapshots

COUNTS = ("rows_in", "silver", "quarantine", "duplicates")
HOURS = 24
Sums = Mapping[tuple[str, str], int]  # (kind, count) -> events
HourSums = Mapping[tuple[datetime, str], int]  # (begin of the hour, count) -> events


@dataclass(frozen=True)
class FileSums:
    """The sums of one file."""

    by_kind: Sums
    by_hour: HourSums


def sums_of(rows: pa.Table) -> FileSums:
    """By kind, and by the hour of the micro-batch."""
    hours = rows.append_column("hour", pc.floor_temporal(rows["ingested_at"], unit="hour"))
    return FileSums(_sums_by(hours, "kind"), _sums_by(hours, "hour"))


def _sums_by(rows: pa.Table, column: str) -> dict[tuple[Any, str], int]:
    sums = rows.group_by(column).aggregate([(name, "sum") for name in COUNTS]).to_pylist()
    return {(row[column], name): row[f"{name}_sum"] or 0 for row in sums for name in COUNTS}


def with_difference(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts and `difference`: rows_in - silver - quarantine - duplicates."""
    accounted = counts["silver"] + counts["quarantine"] + counts["duplicates"]
    return {**counts, "difference": counts["rows_in"] - accounted}


class BalanceReader:
    """The balance of the newest version; one per process."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._files = FileAggregates(snapshots, "gold.balance", ["kind", "ingested_at", *COUNTS], sums_of)

    def read(self) -> tuple[Snapshot, dict[str, dict[str, int]]]:
        """The snapshot and the counts of every kind, zeros included. Blocks while new files are read."""
        snapshot, sums_by_file = self._files.read()
        total: Counter[tuple[str, str]] = Counter()
        for sums in sums_by_file.values():
            total.update(sums.by_kind)
        names = sorted({*kinds(), *(kind for kind, _ in total)})
        return snapshot, {
            kind: with_difference({name: total[kind, name] for name in COUNTS}) for kind in names
        }

    def last_hours(self) -> list[dict[str, Any]]:
        """The 24 hours that end with the newest micro-batch, the oldest first; none before the first one."""
        _, sums_by_file = self._files.read()
        total: Counter[tuple[datetime, str]] = Counter()
        for sums in sums_by_file.values():
            total.update(sums.by_hour)
        if not total:
            return []
        newest = max(hour for hour, _ in total)
        hours = [newest - timedelta(hours=back) for back in reversed(range(HOURS))]
        return [{"hour": utc_text(hour), **{name: total[hour, name] for name in COUNTS}} for hour in hours]


def total_of(per_kind: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The sum over all kinds."""
    return with_difference({name: sum(counts[name] for counts in per_kind.values()) for name in COUNTS})
