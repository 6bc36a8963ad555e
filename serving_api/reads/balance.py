"""The balance of all events per kind: sums over gold.balance."""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from lakehouse.contracts.contract import kinds
from serving_api.reads.file_aggregates import FileAggregates
from serving_api.reads.snapshots import Snapshot, Snapshots

COUNTS = ("rows_in", "silver", "quarantine", "duplicates")
Sums = Mapping[tuple[str, str], int]  # (kind, count) -> events


def sums_of(rows: pa.Table) -> Sums:
    """The sums of one file."""
    by_kind = rows.group_by("kind").aggregate([(name, "sum") for name in COUNTS]).to_pylist()
    return {(row["kind"], name): row[f"{name}_sum"] or 0 for row in by_kind for name in COUNTS}


def with_difference(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts and `difference`: rows_in - silver - quarantine - duplicates."""
    accounted = counts["silver"] + counts["quarantine"] + counts["duplicates"]
    return {**counts, "difference": counts["rows_in"] - accounted}


class BalanceReader:
    """The balance of the newest version; one per process."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._files = FileAggregates(snapshots, "gold.balance", ["kind", *COUNTS], sums_of)

    def read(self) -> tuple[Snapshot, dict[str, dict[str, int]]]:
        """The snapshot and the counts of every kind, zeros included. Blocks while new files are read."""
        snapshot, sums_by_file = self._files.read()
        total: Counter[tuple[str, str]] = Counter()
        for sums in sums_by_file.values():
            total.update(sums)
        names = sorted({*kinds(), *(kind for kind, _ in total)})
        return snapshot, {
            kind: with_difference({name: total[kind, name] for name in COUNTS}) for kind in names
        }


def total_of(per_kind: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The sum over all kinds."""
    return with_difference({name: sum(counts[name] for counts in per_kind.values()) for name in COUNTS})
