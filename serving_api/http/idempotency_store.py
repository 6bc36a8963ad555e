"""Responses to requests with an Idempotency-Key, on disk, so that a restarted service can repeat them.

A key is reserved before the request is carried out and gets its response afterwards. A key whose process has
died has no response, and nobody knows whether the request was carried out: the same request under it is
carried out again. The ids of its events follow from caller and key, so the stream counts a repetition as a
duplicate. After a power cut the newest keys may be lost: the file is not synced to disk for each response.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from conf.settings import settings

SCHEMA = """
create table if not exists answers (
  caller text not null, key text not null, request blob not null, at real not null,
  status integer, headers text, body blob, pid integer,
  primary key (caller, key)
) without rowid;
create index if not exists by_age on answers (caller, at);
"""
# The oldest responses of a caller, and of all callers, beyond a number of bytes.
OVER_BYTES = """
delete from answers where caller = ?1 and key in (
  select key from (
    select key, sum(length(headers) + length(body)) over (order by at desc, key) as total
    from answers where caller = ?1 and status is not null
  ) where total > ?2
)
"""
OVER_ALL_BYTES = """
delete from answers where (caller, key) in (
  select caller, key from (
    select caller, key, sum(length(headers) + length(body)) over (order by at desc, caller, key) as total
    from answers where status is not null
  ) where total > ?1
)
"""
TIDY_EVERY = 500  # reservations between two clean-ups


class KeptResponse(NamedTuple):
    """What is stored for a key.

    `request`: digest of the first request. `response`: status, headers and body; None while it is in
    progress.
    """

    request: bytes
    response: tuple[int, dict[str, str], bytes] | None


class KeptResponses:
    """A bounded file in the state folder.

    It holds the newest `api.idempotency_keys` keys of each caller, each for `api.idempotency_ttl_seconds`,
    and at most `api.idempotency_bytes` of responses; of all callers at most `api.idempotency_all_bytes`, as
    anybody may open an account.
    """

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        file = file or settings().state_dir / "answers.sqlite"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._lock = threading.Lock()
        self._reservations = 0
        self._untidied_bytes = 0
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5)
        self._db.executescript(f"pragma journal_mode=wal; pragma synchronous=normal; {SCHEMA}")
        self._tidy()

    def reserve(self, caller: str, key: str, request: bytes) -> KeptResponse | None:
        """Reserve the key; None on success, else what is known of it. Of several processes, one succeeds.

        A key without a response whose process is gone can be reserved again, for the same request.
        """
        with self._lock:
            self._reservations += 1
            if self._reservations % TIDY_EVERY == 0:
                self._tidy()
            now = self._clock()
            self._db.execute(
                "delete from answers where caller = ? and key = ? and at < ?",
                (caller, key, now - self._kept_seconds),
            )
            insert = (
                "insert into answers (caller, key, request, at, pid) values (?, ?, ?, ?, ?) "
                "on conflict do nothing"
            )
            inserted = self._db.execute(insert, (caller, key, request, now, os.getpid())).rowcount
            if inserted == 1:
                return None
            select = (
                "select request, status, headers, body, pid, at from answers where caller = ? and key = ?"
            )
            row = self._db.execute(select, (caller, key)).fetchone()
            first_request, status, headers, body, pid, at = row
            if status is None and first_request == request and not runs_since(pid, at):
                taken_over = self._db.execute(
                    "update answers set pid = ?, at = ? "
                    "where caller = ? and key = ? and status is null and pid is ? and at = ?",
                    (os.getpid(), now, caller, key, pid, at),
                )
                if taken_over.rowcount == 1:
                    return None
        if status is None:
            return KeptResponse(first_request, None)
        return KeptResponse(first_request, (status, dict(json.loads(headers)), body))

    def keep(self, caller: str, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
        """Store the response of a reserved key."""
        named = json.dumps(headers)
        with self._lock:
            self._untidied_bytes += len(named) + len(body)
            if self._untidied_bytes > self._untidied_most:
                self._tidy()
                self._untidied_bytes = len(named) + len(body)
            self._db.execute(
                "update answers set status = ?, headers = ?, body = ? where caller = ? and key = ?",
                (status, named, body, caller, key),
            )

    def release(self, caller: str, key: str) -> None:
        """Free a reserved key: nothing was done under it, so it may be used again."""
        with self._lock:
            self._db.execute(
                "delete from answers where caller = ? and key = ? and status is null", (caller, key)
            )

    def _tidy(self) -> None:
        self._db.execute("delete from answers where at < ?", (self._clock() - self._kept_seconds,))
        for (caller,) in self._db.execute("select distinct caller from answers").fetchall():
            self._db.execute(
                "delete from answers where caller = ?1 and at <= "
                "(select at from answers where caller = ?1 order by at desc limit 1 offset ?2)",
                (caller, settings().api.idempotency_keys),
            )
            self._db.execute(OVER_BYTES, (caller, settings().api.idempotency_bytes - self._untidied_most))
        self._db.execute(OVER_ALL_BYTES, (settings().api.idempotency_all_bytes - self._untidied_most,))

    @property
    def _untidied_most(self) -> int:
        """Bytes of responses that are stored between two clean-ups, at most."""
        return settings().api.idempotency_bytes // 8

    @property
    def _kept_seconds(self) -> int:
        return settings().api.idempotency_ttl_seconds

    def close(self) -> None:
        """Close the file, which removes its journal. Nothing is lost without it."""
        with self._lock:
            self._db.close()


def runs_since(pid: int | None, at: float) -> bool:
    """Whether the process that had this pid at a time still runs; another one may have got its pid since."""
    try:
        return pid is not None and psutil.Process(pid).create_time() <= at
    except psutil.NoSuchProcess:
        return False
