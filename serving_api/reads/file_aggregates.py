"""Aggregates of a growing table, one per data file.

Data files never change, so a new version of the table costs only its new files.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import pyarrow as pa
from pyarrow.dataset import Fragment

from lakehouse.io.table_files import check_values, reading
from serving_api.reads.snapshots import Snapshot, Snapshots

Aggregate = TypeVar("Aggregate")


class FileAggregates(Generic[Aggregate]):
    """`aggregate` is called once for each data file, with `columns` of it as an Arrow table."""

    def __init__(
        self,
        snapshots: Snapshots,
        table: str,
        columns: list[str],
        aggregate: Callable[[pa.Table], Aggregate],
    ) -> None:
        self._snapshots = snapshots
        self._table = table
        self._columns = columns
        self._aggregate = aggregate
        self._snapshot: Snapshot | None = None
        self._by_file: dict[str, Aggregate] = {}
        self._lock = threading.Lock()

    def read(self) -> tuple[Snapshot, Mapping[str, Aggregate]]:
        """The newest snapshot, and path -> aggregate of each of its files.

        The mapping is never changed later. Blocks while new files are read: call it from a thread.
        """
        with self._lock:
            snapshot = self._snapshots.open_newest(self._table)
            if snapshot is not self._snapshot:
                self._by_file = self._aggregates_of(snapshot)
                self._snapshot = snapshot
            return snapshot, self._by_file

    def _aggregates_of(self, snapshot: Snapshot) -> dict[str, Aggregate]:
        if snapshot.delta is None:
            return {}
        return {
            file.path: self._by_file[file.path]
            if file.path in self._by_file
            else self._aggregate(self._read(file))
            for file in snapshot.dataset().get_fragments()
        }

    def _read(self, file: Fragment) -> pa.Table:
        with reading(self._table):
            rows: pa.Table = file.to_table(columns=self._columns, use_threads=False)
            check_values(rows)
        return rows
