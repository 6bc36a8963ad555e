"""Answers to requests that bore an Idempotency-Key, on disk: a restarted service gives the same answer again.

A key is reserved before the request is carried out and bears its answer afterwards. One that was reserved by a process that died
bears none: whether the request was carried out is not known, so it is neither repeated nor answered. After a power cut the newest
keys may be forgotten: the file is not forced to disk at each answer.
"""

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple

from conf.settings import settings

SCHEMA = """
create table if not exists answers (
  caller text not null, key text not null, request blob not null, at real not null,
  status integer, headers text, body blob,
  primary key (caller, key)
) without rowid;
create index if not exists by_age on answers (caller, at);
"""
TIDY_EVERY = 500  # reservations between two clean-ups


class Kept(NamedTuple):
    """What is known of a key: digest of the request that brought it first, and the answer unless it is still under way."""

    request: bytes
    answer: tuple[int, list[tuple[str, str]], bytes] | None


class KeptAnswers:
    """One file below the state folder, bounded: the newest `api.idempotency_keys` of each caller, each for a day."""

    def __init__(self, file: Path | None = None) -> None:
        file = file or settings().state_dir / "answers.sqlite"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._lock = threading.Lock()
        self._made = 0
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5)
        self._db.executescript(f"pragma journal_mode=wal; pragma synchronous=normal; {SCHEMA}")
        self._tidy()

    def reserve(self, caller: str, key: str, request: bytes) -> Kept | None:
        """None when the key is the caller's from now on; else what is known of it. One of many processes gets it."""
        with self._lock:
            self._made += 1
            if self._made % TIDY_EVERY == 0:
                self._tidy()
            now = time.time()
            place = (caller, key)
            self._db.execute("delete from answers where caller = ? and key = ? and at < ?", (*place, now - self._kept_seconds))
            insert = "insert into answers (caller, key, request, at) values (?, ?, ?, ?) on conflict do nothing"
            fresh = self._db.execute(insert, (*place, request, now)).rowcount
            if fresh == 1:
                return None
            select = "select request, status, headers, body from answers where caller = ? and key = ?"
            row = self._db.execute(select, place).fetchone()
        answer = (row[1], [(name, value) for name, value in json.loads(row[2])], row[3]) if row[1] is not None else None
        return Kept(row[0], answer)

    def keep(self, caller: str, key: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """The answer of a reserved key."""
        with self._lock:
            self._db.execute(
                "update answers set status = ?, headers = ?, body = ? where caller = ? and key = ?",
                (status, json.dumps(headers), body, caller, key),
            )

    def release(self, caller: str, key: str) -> None:
        """Nothing was done under this key; it may be used again."""
        with self._lock:
            self._db.execute("delete from answers where caller = ? and key = ? and status is null", (caller, key))

    def _tidy(self) -> None:
        self._db.execute("delete from answers where at < ?", (time.time() - self._kept_seconds,))
        for (caller,) in self._db.execute("select distinct caller from answers").fetchall():
            self._db.execute(
                "delete from answers where caller = ?1 and at <= "
                "(select at from answers where caller = ?1 order by at desc limit 1 offset ?2)",
                (caller, settings().api.idempotency_keys),
            )

    @property
    def _kept_seconds(self) -> int:
        return settings().api.idempotency_ttl_seconds

    def close(self) -> None:
        """Nothing is lost without it; it tidies the file's journal away."""
        with self._lock:
            self._db.close()
