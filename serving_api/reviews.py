"""What has been decided about quarantined rows: gold.reviews as an index in memory, in step with the table."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from serving_api.filewise import FileWise
from serving_api.gold import Gold, Snapshot

Place = tuple[str, int]  # ("topic:partition:offset", generation): one quarantined row
COLUMNS = ["target_record", "generation", "decision_id", "state", "outcome", "ingested_at"]


class Review(NamedTuple):
    """What gold.reviews says of a row; about 300 bytes in memory for each row that was ever decided."""

    decision_id: str
    state: str  # released, corrected or rejected
    outcome: str  # silver, quarantine or closed
    ingested_at: datetime


Index = Mapping[Place, Review]


def record_of(row: Mapping[str, Any]) -> str:
    """`topic:partition:offset` of a quarantined row."""
    return f"{row['topic']}:{row['partition']}:{row['offset']}"


def place_of(row: Mapping[str, Any]) -> Place:
    """What tells this quarantined row from every other."""
    return record_of(row), row["generation"]


def indexed(rows: pa.Table) -> dict[Place, Review]:
    """The entries of one file."""
    return {(row["target_record"], row["generation"]): Review(*(row[name] for name in COLUMNS[2:])) for row in rows.to_pylist()}


class Reviews:
    """`now()` is the snapshot and the index; `index` is as it was last. Rows are only ever added: a new file goes on top."""

    def __init__(self, gold: Gold) -> None:
        self._files = FileWise(gold, "gold.reviews", COLUMNS, indexed)
        self.index: dict[Place, Review] = {}
        self._taken: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def now(self) -> tuple[Snapshot, Index]:
        """Reads files that are new since the last call; call it from a thread."""
        with self._lock:
            snapshot, told = self._files.now()
            for path in told.keys() - self._taken:
                self.index.update(told[path])
            self._taken = frozenset(told)
            if len(self.index) > snapshot.count:  # the table was set back
                self.index = {place: review for entries in told.values() for place, review in entries.items()}
            return snapshot, self.index


def state_of(row: Mapping[str, Any], reviews: Index) -> str:
    """open, released, corrected or rejected; `row["state"]` is how it stood when it was quarantined."""
    review = reviews.get(place_of(row))
    return review.state if review else row["state"]
