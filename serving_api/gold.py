"""The tables as they are served: snapshots that a thread keeps in step with the lake, swapped whole."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import table_path
from serving_api import metrics

log = logging.getLogger("lumbung.api")
SMALL = ("gold.live_prices", "gold.markets", "gold.sensors_live", "gold.model_accuracy", "gold.feature_importance")  # held whole
# read a few files at a time
LARGE = ("gold.price_history", "silver.quarantine", "gold.ledger", "gold.forecasts", "gold.anomalies")
TIMES = {  # elsewhere event_time
    "gold.markets": "last_event_time",
    "silver.quarantine": "received_at",
    "gold.reviews": "decided_at",
    "gold.data_quality": "window_end",
    "gold.balance": "ingested_at",
    "gold.ledger": "timestamp",
    "bronze.events": "ingested_at",
    "gold.forecasts": "issued_at",
    "gold.model_accuracy": "measured_at",
    "gold.feature_importance": "measured_at",
    "gold.weather_prices": "measured_at",
}
CACHED_ANSWERS = 2000


@dataclass(frozen=True)
class Snapshot:
    """One version of a table. `rows` is the whole table when it is small, else None. `cache` lives as long as the version."""

    table: str
    version: int
    delta: DeltaTable | None
    rows: pa.Table | None
    newest: datetime | None
    count: int
    identity: tuple[str, int | None] = ("", None)  # table id, and when this version's commit was written: versions may start anew
    cache: dict[Any, Any] = field(default_factory=dict)

    def cached(self, key: Any, make: Any) -> Any:
        """`make()` of this version, remembered under `key`."""
        found = self.cache.get(key)
        if found is None:
            if len(self.cache) > CACHED_ANSWERS:
                self.cache.clear()
            found = self.cache[key] = make()
        return found


def empty(table: str) -> Snapshot:
    """A table that is not there yet."""
    rows = arrow_schema(contracts()[table]).empty_table() if table in SMALL else None
    return Snapshot(table, 0, None, rows, None, 0)


def commit_time(path: str, version: int) -> int | None:
    """When a commit was written, nanoseconds; None when the log no longer has it or is not on a local disk."""
    file = Path(path) / "_delta_log" / f"{version:020}.json"
    return file.stat().st_mtime_ns if file.exists() else None


def taken(table: str, delta: DeltaTable, path: str) -> Snapshot:
    """The snapshot of a loaded table."""
    column = TIMES.get(table, "event_time")
    identity = (str(delta.metadata().id), commit_time(path, delta.version()))
    if table in SMALL:
        rows = delta.to_pyarrow_table()
        return Snapshot(table, delta.version(), delta, rows, pc.max(rows[column]).as_py(), rows.num_rows, identity)
    actions = pa.table(delta.get_add_actions(flatten=True))
    name = f"max.{column}"
    newest = pc.max(actions[name]).as_py() if name in actions.column_names and actions.num_rows else None
    count = pc.sum(actions["num_records"]).as_py() or 0
    if newest is not None and newest.tzinfo is None:
        newest = newest.replace(tzinfo=UTC)
    return Snapshot(table, delta.version(), delta, None, newest, count, identity)


class Gold:
    """`self[table]` is the newest snapshot. Start it once; it refreshes itself until `stop`.

    `prepare`: what is made of a table's new version before anybody is answered from it (it remembers that by `cached`).
    """

    def __init__(self, prepare: Mapping[str, Callable[[Snapshot], object]] | None = None) -> None:
        self._prepare = prepare or {}
        self._snapshots = {table: empty(table) for table in (*SMALL, *LARGE)}
        self._asked: dict[str, Snapshot] = {}
        self.progress: dict[str, Any] = {}
        self.caught_up_at: datetime | None = None
        self.loaded = False
        self.failure: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gold", daemon=True)

    def __getitem__(self, table: str) -> Snapshot:
        return self._snapshots[table]

    def start(self) -> None:
        """Load everything once, then go on in a thread."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        pause = settings().api.refresh_milliseconds / 1000
        while not self._stopping.wait(pause):
            self.refresh()

    def refresh(self) -> None:
        """Take up new versions. A table that cannot be read keeps its last snapshot, and readiness says so."""
        failures = []
        for table, held in self._snapshots.items():
            try:
                fresh = self._fresh(table, held)
                if fresh is not None:
                    if table in self._prepare:
                        self._prepare[table](fresh)
                    self._snapshots[table] = fresh
            except (DeltaError, OSError, pa.ArrowException) as error:
                failures.append(f"{table}: {type(error).__name__}")
                log.warning("%s cannot be read: %s", table, error)
        self.failure = "; ".join(failures) or None
        self.loaded = not failures
        self._read_progress()

    def _fresh(self, table: str, held: Snapshot) -> Snapshot | None:
        """The next snapshot, None when there is nothing new."""
        root = settings().lake_root
        path = table_path(root, table)
        stands = held.delta is not None and commit_time(path, held.version) == held.identity[1]
        if "://" not in root and stands and commit_time(path, held.version + 1) is None:
            return None
        try:
            delta = DeltaTable(path)
        except TableNotFoundError:
            return empty(table) if held.delta is not None else None
        same = (delta.version(), str(delta.metadata().id)) == (held.version, held.identity[0])
        return taken(table, delta, path) if not (same and stands) else None

    def _read_progress(self) -> None:
        """The stream's note about itself; a batch seen for the first time tells how long its first event took."""
        file = settings().state_dir / "progress.json"
        if not file.exists():
            return
        said = orjson.loads(file.read_bytes())
        before, self.progress = self.progress, said
        if said.get("lag_events") == 0:
            self.caught_up_at = datetime.fromisoformat(said["updated_at"])
        oldest = said.get("oldest_received_at")
        if oldest and before and said.get("batch_id") != before.get("batch_id"):
            metrics.END_TO_END_SECONDS.observe(max(0.0, time.time() - datetime.fromisoformat(oldest).timestamp()))

    @property
    def lag_seconds(self) -> float | None:
        """How long ago the tables last held everything that Kafka held; None before the stream has said anything."""
        if self.caught_up_at is None:
            return None
        return round(max(0.0, (datetime.now(UTC) - self.caught_up_at).total_seconds()), 3)

    def now(self, table: str) -> Snapshot:
        """The newest version at this moment, of a table that is asked for too rarely to be followed."""
        held = self._asked.get(table) or empty(table)
        fresh = self._fresh(table, held) or held
        self._asked[table] = fresh
        return fresh

    def count(self, table: str) -> int:
        """Rows of a served table."""
        return self._snapshots[table].count
