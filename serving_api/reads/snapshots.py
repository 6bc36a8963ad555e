"""Snapshots of the served tables: a thread keeps them in step with the lake and replaces them whole."""

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import open_if_exists
from lakehouse.io.log_stamps import lake_stamp, log_stamp
from lakehouse.io.process_status import STREAM, StreamStatus, status_file, stream_status
from lakehouse.io.table_files import UnreadableTable, check_values, reading
from lakehouse.paths import table_path
from serving_api.http import metrics

log = logging.getLogger("lumbung.api")
CACHED_VALUES = 2000
# Between two looks at every table while `lake_stamp` stays the same: 40 system calls instead of one.
EVERY_TABLE_SECONDS = 1.0
STALE_SECONDS = 30.0  # without one complete round of refreshes; a round that loads large tables takes seconds
Value = TypeVar("Value")
# Table id, and when the commit of the version was written: a table that is created again starts at version 0.
Identity = tuple[str, int | None]


@dataclass(frozen=True)
class Snapshot:
    """One version of a table.

    `rows`: the whole table when it is small, else None. `cache` lives as long as the version.
    """

    table: str
    version: int
    delta: DeltaTable | None
    rows: pa.Table
    newest: datetime | None
    count: int
    identity: Identity = ("", None)
    cache: dict[Hashable, Any] = field(default_factory=dict)

    def cached(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """`compute()` of this version, cached under `key`."""
        value = self.cache.get(key)
        if value is None:
            if len(self.cache) > CACHED_VALUES:
                self.cache.clear()
            value = self.cache[key] = compute()
        return cast(Value, value)

    def rows_by(self, column: str) -> dict[str, dict[str, Any]]:
        """Value of a column -> row, of a table held in memory."""
        return self.cached(("by", column), lambda: {row[column]: row for row in self.rows.to_pylist()})

    def dataset(self, partition: tuple[str, str] | None = None) -> ds.Dataset:
        """The files of the version, or those of one value of a partition column; found once per version.

        No rows before the first commit. Raises UnreadableTable.
        """
        delta = self.delta
        if delta is None:
            return ds.dataset(arrow_schema(contracts()[self.table]).empty_table())
        pruning = [(partition[0], "=", partition[1])] if partition else None
        with reading(self.table):
            return self.cached(
                ("files", partition), lambda: delta.to_pyarrow_dataset(file_pruning_predicate=pruning)
            )

    def read(
        self,
        condition: pc.Expression | None = None,
        columns: Iterable[str] | None = None,
        partition: tuple[str, str] | None = None,
    ) -> pa.Table:
        """The rows that satisfy the condition. Raises UnreadableTable."""
        names = None if columns is None else list(columns)
        dataset = self.dataset(partition)
        with reading(self.table):
            rows: pa.Table = dataset.to_table(columns=names, filter=condition)
            check_values(rows)
        return rows

    def first_row(self, condition: pc.Expression, columns: Iterable[str]) -> dict[str, Any] | None:
        """The first row that satisfies the condition; None without one."""
        listed: list[dict[str, Any]] = self.read(condition, columns).slice(0, 1).to_pylist()
        return listed[0] if listed else None


def empty_snapshot(table: str) -> Snapshot:
    """The snapshot of a table that does not exist yet."""
    contract = contracts()[table]
    rows = arrow_schema(contract).empty_table() if contract.served == "whole" else None
    return Snapshot(table, 0, None, rows, None, 0)


def commit_time(path: str, version: int) -> int | None:
    """When a commit was written, nanoseconds; None when its log file is gone or not on a local disk."""
    try:  # ten times a second for each table: pathlib would take three times as long
        return os.stat(f"{path}/_delta_log/{version:020}.json").st_mtime_ns  # noqa: PTH116
    except FileNotFoundError:
        return None


def file_identity(path: Path) -> tuple[int, int] | None:
    """Inode and time of a file that is replaced, never changed in place; None when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def newest_in_files(actions: pa.Table, column: str) -> date | None:
    """The newest value of a date or time column by the files' statistics; None without any.

    `actions`: the files, as delta-rs flattens them.
    """
    name = f"max.{column}"
    newest: date | None = pc.max(actions[name]).as_py() if name in actions.column_names else None
    return newest.replace(tzinfo=UTC) if isinstance(newest, datetime) and newest.tzinfo is None else newest


def newest_of(snapshot: Snapshot, column: str) -> date | None:
    """The newest value of a column that the table's contract lists in `skip_by`; None for an empty table."""
    delta = snapshot.delta
    if delta is None:
        return None

    def read() -> date | None:
        return newest_in_files(pa.table(delta.get_add_actions(flatten=True)), column)

    return snapshot.cached(("newest", column), read)


def snapshot_of(table: str, delta: DeltaTable, path: str) -> Snapshot:
    """The snapshot of an opened table."""
    contract = contracts()[table]
    identity = (str(delta.metadata().id), commit_time(path, delta.version()))
    if contract.served == "whole":
        rows = delta.to_pyarrow_table()
        check_values(rows)
        newest = as_time(pc.max(rows[contract.time_column]).as_py())
        return Snapshot(table, delta.version(), delta, rows, newest, rows.num_rows, identity)
    actions = pa.table(delta.get_add_actions(flatten=True))
    newest = as_time(newest_in_files(actions, contract.time_column))
    count = pc.sum(actions["num_records"]).as_py() or 0
    return Snapshot(table, delta.version(), delta, None, newest, count, identity)


def as_time(newest: date | None) -> datetime | None:
    """The time; of a market day, its beginning in UTC."""
    if newest is None or isinstance(newest, datetime):
        return newest
    return datetime(newest.year, newest.month, newest.day, tzinfo=UTC)


class Snapshots:
    """`self[table]` is the newest snapshot. After `start`, a thread refreshes it until `stop`.

    `prepare`: table -> what to compute (and cache) of a new version before requests see it; `followers`:
    table -> what to call with a new version that requests see.
    """

    def __init__(
        self,
        prepare: Mapping[str, Callable[[Snapshot], object]] | None = None,
        followers: Mapping[str, Callable[[Snapshot], None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._prepare = prepare or {}
        self._followers = followers or {}
        self._root = settings().lake_root
        self._state_dir = settings().state_dir
        self._pause_seconds = settings().api.refresh_milliseconds / 1000
        self._followed = {
            table: empty_snapshot(table) for table, contract in contracts().items() if contract.served
        }
        self._failed: dict[str, str] = {}  # table whose last refresh failed -> why
        self._stamps: dict[str, int | None] = {}
        self._lake_stamp: int | None = None
        self._on_request: dict[str, Snapshot] = {}
        self.stream: StreamStatus | None = None
        self._status_written: tuple[int, int] | None = None
        self.failure: str | None = "tables are being opened"
        self._refreshed_at = clock()
        self._refreshing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def __getitem__(self, table: str) -> Snapshot:
        """Raises UnreadableTable for a table that could not be read since the start."""
        snapshot = self._followed[table]
        if snapshot.delta is None and table in self._failed:
            raise UnreadableTable(table, self._failed[table])
        return snapshot

    def or_empty(self, table: str) -> Snapshot:
        """The same for what a response may lack: an empty snapshot in place of UnreadableTable."""
        return self._followed[table]

    def start(self) -> None:
        """Load all tables once, then refresh them in a thread."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            try:
                self.refresh_changed()
            except BaseException as error:  # a panic of delta-rs is no Exception; this thread must not end
                self._report([f"round: {type(error).__name__}"])
                log.exception("a round of refreshes failed")

    def refresh_changed(self) -> bool:
        """`refresh`, unless no table was written since the last one; returns whether it looked."""
        stamp = lake_stamp(self._root)
        is_unchanged = stamp is not None and stamp == self._lake_stamp and self.failure is None
        if is_unchanged and self.age_seconds < EVERY_TABLE_SECONDS:
            return False
        self.refresh()
        self._lake_stamp = stamp
        return True

    def refresh(self) -> None:
        """Load new versions. What cannot be read keeps its last state, and `failure` names it.

        Any error is possible here: no free file descriptor, a table in the midst of being replaced. Of two
        threads the second one waits: the first one may have opened an older version.
        """
        with self._refreshing:
            self._refresh()

    def _refresh(self) -> None:
        steps: dict[str, Callable[[], None]] = {
            table: partial(self._refresh_table, table, stamp)
            for table in self._followed
            if (stamp := log_stamp(table, self._root)) is None or stamp != self._stamps.get(table)
        }
        steps["status of the stream"] = self._read_stream_status
        failures = []
        for name, step in steps.items():
            try:
                step()
                self._failed.pop(name, None)
            except Exception as error:
                failures.append(f"{name}: {type(error).__name__}")
                self._failed[name] = type(error).__name__
                known = self.failure is not None and failures[-1] in self.failure
                log.log(logging.DEBUG if known else logging.WARNING, "%s cannot be read", name, exc_info=True)
        self._report(failures)

    def _report(self, failures: list[str]) -> None:
        """Keep the outcome of a round for health, readiness and metrics."""
        self.failure = "; ".join(failures) or None
        if failures:
            metrics.REFRESH_FAILURES.inc()
        else:
            self._refreshed_at = self.clock()

    @property
    def age_seconds(self) -> float:
        """Seconds since the end of the last round that read everything."""
        return round(self.clock() - self._refreshed_at, 3)

    @property
    def staleness(self) -> str | None:
        """Why the snapshots are not current, with their age; None when they are."""
        if self.failure is None and self.age_seconds < STALE_SECONDS:
            return None
        reason = self.failure or "a round of refreshes does not end"
        return f"snapshots are {self.age_seconds:.1f} s old: {reason}"

    def _refresh_table(self, table: str, stamp: int | None) -> None:
        newer = self._newer(table, self._followed[table])
        if newer is not None:
            if table in self._prepare:
                self._prepare[table](newer)
            self._followed[table] = newer
            if table in self._followers:
                self._followers[table](newer)
        self._stamps[table] = stamp

    def _newer(self, table: str, current: Snapshot) -> Snapshot | None:
        """The snapshot of a version newer than `current`, None when there is none."""
        path = table_path(self._root, table)
        unchanged = current.delta is not None and commit_time(path, current.version) == current.identity[1]
        if "://" not in self._root and unchanged and commit_time(path, current.version + 1) is None:
            return None
        delta = open_if_exists(table, root=self._root)
        if delta is None:
            return empty_snapshot(table) if current.delta is not None else None
        same = (delta.version(), str(delta.metadata().id)) == (current.version, current.identity[0])
        return None if same and unchanged else snapshot_of(table, delta, path)

    def _read_stream_status(self) -> None:
        """Read the stream's new status; a new batch adds the latency of its first event to the histogram."""
        written = file_identity(status_file(STREAM, self._state_dir))
        if written is None or written == self._status_written:
            return
        status = stream_status(self._state_dir)
        self._status_written = written
        if status is None:
            return
        previous = self.stream
        self.stream = status
        oldest = status.get("oldest_received_at")
        if oldest and previous and status["batch_id"] != previous["batch_id"]:
            metrics.END_TO_END_SECONDS.observe(
                max(0.0, time.time() - datetime.fromisoformat(oldest).timestamp())
            )

    def open_newest(self, table: str) -> Snapshot:
        """The newest version at this moment, of a table that is requested too rarely to be followed.

        Raises UnreadableTable.
        """
        current = self._on_request.get(table) or empty_snapshot(table)
        with reading(table):
            newest = self._newer(table, current) or current
        self._on_request[table] = newest
        return newest

    def count(self, table: str) -> int:
        """Number of rows of a followed table."""
        return self._followed[table].count
