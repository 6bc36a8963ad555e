"""What became of all events, per kind: the sums of gold.balance."""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from lakehouse.contract import kinds
from serving_api.filewise import FileWise
from serving_api.gold import Gold, Snapshot

COUNTS = ("rows_in", "silver", "quarantine", "duplicates")
Sums = Mapping[tuple[str, str], int]  # (kind, count) -> events


def summed(rows: pa.Table) -> Sums:
    """The sums of one file."""
    by_kind = rows.group_by("kind").aggregate([(name, "sum") for name in COUNTS]).to_pylist()
    return {(row["kind"], name): row[f"{name}_sum"] or 0 for row in by_kind for name in COUNTS}


def with_difference(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts and what they leave unaccounted for: rows_in - silver - quarantine - duplicates."""
    return {**counts, "difference": counts["rows_in"] - counts["silver"] - counts["quarantine"] - counts["duplicates"]}


class Balance:
    """`now()` is the snapshot and the counts of every kind, with `difference`; kinds that were never sent are zero."""

    def __init__(self, gold: Gold) -> None:
        self._files = FileWise(gold, "gold.balance", ["kind", *COUNTS], summed)

    def now(self) -> tuple[Snapshot, dict[str, dict[str, int]]]:
        """Reads files that are new since the last call; call it from a thread."""
        snapshot, told = self._files.now()
        total: Counter[tuple[str, str]] = Counter()
        for sums in told.values():
            total.update(sums)
        seen = sorted({*kinds(), *(kind for kind, _ in total)})
        return snapshot, {kind: with_difference({name: total[kind, name] for name in COUNTS}) for kind in seen}


def in_all(per_kind: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """The sum over all kinds."""
    return with_difference({name: sum(counts[name] for counts in per_kind.values()) for name in COUNTS})
