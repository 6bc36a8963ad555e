"""The queue of jobs that people order for themselves: backtests of strategies and experiments with models.

The API submits, the trainer runs them one at a time. One SQLite file on a local disk.
"""

import json
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from conf.settings import settings
from lakehouse.io.training_jobs import exclusive, insert, now_text, parsed

JobKind = Literal["backtest", "experiment"]
JobStatus = Literal["queued", "running", "succeeded", "failed"]
OPEN = ("queued", "running")
TABLE = """create table if not exists personal_jobs (
    job_id text primary key, kind text not null, owner text not null, status text not null,
    request text not null, result text, run_id text, detail text, created_at text not null, finished_at text
)"""
NEWEST = "order by created_at desc, job_id desc"


class TooManyJobs(Exception):
    """The person has as many open jobs of this kind as are allowed."""


@dataclass(frozen=True)
class PersonalJob:
    """One job. `result`: figures of a job that succeeded; `run_id`: of MLflow; times are UTC."""

    job_id: str
    kind: JobKind
    owner: str
    status: JobStatus
    request: dict[str, Any]
    result: dict[str, Any] | None
    run_id: str | None
    detail: str | None
    created_at: datetime
    finished_at: datetime | None


def changed_at() -> int | None:
    """When the queue has changed last, nanoseconds since 1970; None before the first job."""
    return _file().stat().st_mtime_ns if _file().exists() else None


def submit(kind: JobKind, owner: str, request: Mapping[str, Any], most_open: int) -> PersonalJob:
    """Queue a job. Raises TooManyJobs when the owner has `most_open` open jobs of this kind."""
    with _store() as store:
        counted = f"select count(*) from personal_jobs where owner = ? and kind = ? and status in {OPEN}"
        if store.execute(counted, (owner, kind)).fetchone()[0] >= most_open:
            raise TooManyJobs
        return _job(insert(store, "personal_jobs", _new(kind, owner, request)))


def job(job_id: str) -> PersonalJob | None:
    """The job of that id, whoever ordered it; None when there is none."""
    with _store() as store:
        return _first(store, "job_id = ?", job_id)


def own_job(kind: JobKind, owner: str, job_id: str) -> PersonalJob | None:
    """The job of that id; None when there is none, or somebody else's."""
    with _store() as store:
        return _first(store, "job_id = ? and kind = ? and owner = ?", job_id, kind, owner)


def own_jobs(
    kind: JobKind, owner: str, after: tuple[str, str] | None = None, limit: int = -1
) -> list[PersonalJob]:
    """The jobs of a person, newest first; `after`: (created_at, job_id) of the last one that is known."""
    condition = "kind = ? and owner = ?" + (" and (created_at, job_id) < (?, ?)" if after else "")
    query = f"select * from personal_jobs where {condition} {NEWEST} limit ?"
    with _store() as store:
        return [_job(row) for row in store.execute(query, (kind, owner, *(after or ()), limit))]


def take() -> PersonalJob | None:
    """Start the oldest queued job and return it; None when there is none. Only the lock holder calls it."""
    with _store() as store:
        row = store.execute(
            "update personal_jobs set status = 'running' where job_id = (select job_id from personal_jobs"
            " where status = 'queued' order by created_at, rowid limit 1) returning *"
        ).fetchone()
    return _job(row) if row else None


def succeed(job_id: str, result: Mapping[str, Any], run_id: str | None) -> None:
    """End a running job with its figures; one that has ended stays as it is."""
    _end(job_id, "succeeded", json.dumps(result), run_id, None)


def fail(job_id: str, detail: str) -> None:
    """End a running job with the reason; one that has ended stays as it is."""
    _end(job_id, "failed", None, None, detail[:1000])


def keep(kind: JobKind, owner: str, request: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Store a job that was run at once, with its result."""
    done = {"status": "succeeded", "result": json.dumps(result), "finished_at": now_text()}
    with _store() as store:
        insert(store, "personal_jobs", _new(kind, owner, request) | done)


def requeue() -> None:
    """Queue the jobs again that a stopped trainer left running. Only the lock holder calls it."""
    with _store() as store:
        store.execute("update personal_jobs set status = 'queued' where status = 'running'")


def export(owner: str) -> list[dict[str, Any]]:
    """What is stored here about a person, as values of JSON."""
    columns = ("job_id", "kind", "status", "request", "result", "created_at", "finished_at")
    with _store() as store:
        query = f"select {', '.join(columns)} from personal_jobs where owner = ? {NEWEST}"
        rows = [dict(row) for row in store.execute(query, (owner,))]
    for row in rows:
        row |= {name: json.loads(row[name]) for name in ("request", "result") if row[name]}
    return rows


def remove_all(owner: str) -> None:
    """Remove the jobs of a person, with their results."""
    with _store() as store:
        store.execute("delete from personal_jobs where owner = ?", (owner,))


def _new(kind: JobKind, owner: str, request: Mapping[str, Any]) -> dict[str, str]:
    return {
        "job_id": secrets.token_hex(16),
        "kind": kind,
        "owner": owner,
        "status": "queued",
        "request": json.dumps(request),
        "created_at": now_text(),
    }


def _end(job_id: str, status: JobStatus, result: str | None, run_id: str | None, detail: str | None) -> None:
    with _store() as store:
        store.execute(
            "update personal_jobs set status = ?, result = ?, run_id = ?, detail = ?, finished_at = ?"
            f" where job_id = ? and status in {OPEN}",
            (status, result, run_id, detail, now_text(), job_id),
        )


def _store() -> AbstractContextManager[sqlite3.Connection]:
    return exclusive(_file(), TABLE)


def _file() -> Path:
    return settings().state_dir / "personal_jobs.sqlite"


def _first(store: sqlite3.Connection, condition: str, *values: str) -> PersonalJob | None:
    row = store.execute(f"select * from personal_jobs where {condition}", values).fetchone()
    return _job(row) if row else None


def _job(row: sqlite3.Row) -> PersonalJob:
    return PersonalJob(**parsed(row, "request", "result"))
