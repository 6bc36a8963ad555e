"""Figures of a growing table, told file by file: a data file never changes, so a new version costs only its new files."""

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import pyarrow as pa

from serving_api.gold import Gold, Snapshot

Told = TypeVar("Told")


class FileWise(Generic[Told]):
    """`now()` is the newest snapshot and what `tell` says of each of its files (some columns as an Arrow table)."""

    def __init__(self, gold: Gold, table: str, columns: list[str], tell: Callable[[pa.Table], Told]) -> None:
        self._gold, self._table, self._columns, self._tell = gold, table, columns, tell
        self._snapshot: Snapshot | None = None
        self._told: dict[str, Told] = {}
        self._lock = threading.Lock()

    def now(self) -> tuple[Snapshot, Mapping[str, Told]]:
        """Blocks while new files are read; call it from a thread. The mapping is path -> what was told, never changed later."""
        with self._lock:
            snapshot = self._gold.now(self._table)
            if snapshot is not self._snapshot:
                self._told = {} if snapshot.delta is None else self._of(snapshot)
                self._snapshot = snapshot
            return snapshot, self._told

    def _of(self, snapshot: Snapshot) -> dict[str, Told]:
        assert snapshot.delta is not None
        files = snapshot.delta.to_pyarrow_dataset().get_fragments()
        return {
            file.path: self._told[file.path]
            if file.path in self._told
            else self._tell(file.to_table(columns=self._columns, use_threads=False))
            for file in files
        }
