"""Reviews of quarantined rows: gold.reviews as an index in memory, kept in step with the table."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from serving_api.reads.file_aggregates import FileAggregates
from serving_api.reads.snapshots import Snapshot, Snapshots

RowKey = tuple[str, int]  # ("topic:partition:offset", generation): one quarantined row
COLUMNS = ["target_record", "generation", "decision_id", "state", "outcome", "ingested_at"]


class RowReview(NamedTuple):
    """The entry of gold.reviews for a row; about 300 bytes in memory for each row that was ever decided."""

    decision_id: str
    state: str  # released, corrected or rejected
    outcome: str  # silver, quarantine or closed
    ingested_at: datetime


ReviewIndex = Mapping[RowKey, RowReview]


def record_of(row: Mapping[str, Any]) -> str:
    """`topic:partition:offset` of a row."""
    return f"{row['topic']}:{row['partition']}:{row['offset']}"


def key_of(row: Mapping[str, Any]) -> RowKey:
    """The key that identifies a quarantined row."""
    return record_of(row), row["generation"]


def entries_of(rows: pa.Table) -> dict[RowKey, RowReview]:
    """The entries of one file."""
    return {
        (row["target_record"], row["generation"]): RowReview(*(row[name] for name in COLUMNS[2:]))
        for row in rows.to_pylist()
    }


class ReviewReader:
    """The index of all reviews; one per process. Rows are only ever added, so a new file is merged on top."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._files = FileAggregates(snapshots, "gold.reviews", COLUMNS, entries_of)
        self.index: dict[RowKey, RowReview] = {}  # as of the last `read`
        self._merged: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def read(self) -> tuple[Snapshot, ReviewIndex]:
        """The newest snapshot and the index. Blocks while new files are read: call it from a thread."""
        with self._lock:
            snapshot, entries_by_file = self._files.read()
            for path in entries_by_file.keys() - self._merged:
                self.index.update(entries_by_file[path])
            self._merged = frozenset(entries_by_file)
            if len(self.index) > snapshot.count:  # the table was restored to an older version
                self.index = {
                    key: review for entries in entries_by_file.values() for key, review in entries.items()
                }
            return snapshot, self.index


def state_of(row: Mapping[str, Any], reviews: ReviewIndex) -> str:
    """open, released, corrected or rejected; `row["state"]` is the state at the time of quarantine."""
    review = reviews.get(key_of(row))
    state: str = review.state if review else row["state"]
    return state
