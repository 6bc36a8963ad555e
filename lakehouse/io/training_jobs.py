"""The queue of training jobs: the API submits, the trainer runs them. One SQLite file on a local disk."""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from conf.settings import settings

Status = Literal["queued", "running", "succeeded", "failed", "rejected"]  # rejected: trained, failed the gate
STATUS_TEXTS: dict[Status, str] = {
    "queued": "waiting for the trainer",
    "running": "training",
    "succeeded": "done, at least one new model serves",
    "failed": "failed",
    "rejected": "done, no new model passed the gate",
}
OPEN = ("queued", "running")
BUSY_SECONDS = 5.0  # a writer holds the file for milliseconds
TABLE = """create table if not exists jobs (
    job_id text primary key, status text not null, progress_pct real not null, run_id text,
    promoted integer not null, detail text, created_at text not null, finished_at text, models text not null,
    commodities text not null, reason text not null, by text not null)"""


class JobRunning(Exception):
    """Another job is queued or running; its id is `job_id`."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"training job {job_id} is not finished yet")
        self.job_id = job_id


@dataclass(frozen=True)
class Job:
    """One training job. Empty `models` or `commodities` means all of them; times are UTC."""

    job_id: str
    status: Status
    progress_pct: float  # 0-100
    run_id: str | None  # of MLflow
    promoted: bool  # at least one commodity has a new champion
    detail: str | None
    created_at: datetime
    finished_at: datetime | None
    models: tuple[str, ...]
    commodities: tuple[str, ...]
    reason: str
    by: str


def submit(models: Sequence[str], commodities: Sequence[str], reason: str, by: str) -> Job:
    """Queue a job. Raises JobRunning when one is queued or running."""
    with _store() as store:
        waiting = store.execute(f"select job_id from jobs where status in {OPEN}").fetchone()
        if waiting:
            raise JobRunning(waiting[0])
        row = {
            "job_id": f"train-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            "status": "queued",
            "progress_pct": 0.0,
            "promoted": 0,
            "created_at": now_text(),
            "models": json.dumps([*models]),
            "commodities": json.dumps([*commodities]),
            "reason": reason,
            "by": by,
        }
        return _job(insert(store, "jobs", row))


def job(job_id: str) -> Job | None:
    """The job of that id; None when there is none."""
    if not _file().exists():
        return None
    with _store() as store:
        row = store.execute("select * from jobs where job_id = ?", (job_id,)).fetchone()
    return _job(row) if row else None


def take() -> Job | None:
    """Start the oldest queued job and return it; None when there is none or one is running."""
    with _store() as store:
        row = store.execute(
            f"select job_id, status from jobs where status in {OPEN} order by created_at, rowid"
        ).fetchone()
        if row is None or row["status"] == "running":
            return None
        started = "update jobs set status = 'running' where job_id = ? returning *"
        return _job(store.execute(started, (row["job_id"],)).fetchone())


def progress(job_id: str, pct: float) -> None:
    """Record the progress of a running job; it never decreases."""
    with _store() as store:
        store.execute(
            "update jobs set progress_pct = max(progress_pct, min(?, 100.0))"
            " where job_id = ? and status = 'running'",
            (pct, job_id),
        )


def finish(job_id: str, status: Status, promoted: bool, run_id: str | None, detail: str | None) -> None:
    """End a job that is queued or running; one that has ended stays as it is."""
    with _store() as store:
        store.execute(
            "update jobs set status = ?, promoted = ?, run_id = ?, detail = ?, finished_at = ?,"
            " progress_pct = case when ? = 'failed' then progress_pct else 100.0 end"
            f" where job_id = ? and status in {OPEN}",
            (status, int(promoted), run_id, detail, now_text(), status, job_id),
        )


def requeue() -> list[str]:
    """Queue the jobs again that a stopped trainer left running; returns their ids.

    Only the lock holder calls it.
    """
    with _store() as store:
        job_ids = [row[0] for row in store.execute("select job_id from jobs where status = 'running'")]
        store.execute("update jobs set status = 'queued' where status = 'running'")
    return job_ids


@contextmanager
def exclusive(file: Path, table: str) -> Iterator[sqlite3.Connection]:
    """One exclusive transaction: a read and the write that follows are one step for all processes.

    `table`: the statement that creates the table when there is none.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)) as store:
        store.row_factory = sqlite3.Row
        store.execute("begin immediate")
        try:
            store.execute(table)
            yield store
        except BaseException:
            store.execute("rollback")
            raise
        store.execute("commit")


def insert(store: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> sqlite3.Row:
    """Add a row; returns all its columns."""
    values = ", ".join(f":{name}" for name in row)
    statement = f"insert into {table} ({', '.join(row)}) values ({values}) returning *"
    added: sqlite3.Row = store.execute(statement, row).fetchone()
    return added


def _store() -> AbstractContextManager[sqlite3.Connection]:
    return exclusive(_file(), TABLE)


def _file() -> Path:
    return settings().state_dir / "training.sqlite"


def _job(row: sqlite3.Row) -> Job:
    fields = parsed(row, "models", "commodities")
    lists = {name: tuple(fields[name]) for name in ("models", "commodities")}
    return Job(**fields | lists | {"promoted": bool(fields["promoted"])})


def parsed(row: sqlite3.Row, *of_json: str) -> dict[str, Any]:
    """Column -> value of a stored job, with its times and the columns that hold JSON read."""
    fields: dict[str, Any] = dict(row)
    fields |= {name: json.loads(fields[name]) for name in of_json if fields[name]}
    times = {name: fields[name] for name in ("created_at", "finished_at") if fields[name]}
    return fields | {name: datetime.fromisoformat(text) for name, text in times.items()}


def now_text() -> str:
    """The time as jobs are stored with it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
