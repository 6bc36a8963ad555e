"""Whether tables have changed, for one system call: to open a table costs 10 ms."""

import os
import time
from collections.abc import Iterable

from conf.settings import settings
from lakehouse.paths import table_path

NO_LOG = 0  # log_stamp of a table without a first commit
SETTLED_SECONDS = 2.0  # file systems note times in steps of up to 2 s: an older time has no further commit


def log_stamp(table: str, root: str | None = None) -> int | None:
    """A number that changes with every commit, at the cost of one system call; opening a table costs 10 ms.

    None when it cannot say: the lake is an object store, or the newest commit is younger than 2 s.
    Take it before the table is read, and keep it once that has succeeded.
    """
    return _settled_time(f"{table_path(root or settings().lake_root, table)}/_delta_log")


def lake_stamp(root: str) -> int | None:
    """A number that changes with every write of rows to any table, for one system call; None as `log_stamp`.

    A writer that is killed right after its commit has not changed it: look at each table now and then.
    """
    return _settled_time(root)


def _settled_time(folder: str) -> int | None:
    if "://" in folder:
        return None
    try:  # ten times a second: pathlib would take three times as long
        changed = os.stat(folder).st_mtime_ns  # noqa: PTH116
    except FileNotFoundError:
        return NO_LOG
    except OSError:  # the reader of the table will raise it
        return None
    return changed if changed < time.time_ns() - SETTLED_SECONDS * 1e9 else None


class LogStamps:
    """Whether tables have changed since they were read."""

    def __init__(self, tables: Iterable[str]) -> None:
        self._tables = tuple(tables)
        self._kept: list[int | None] = []

    def take(self) -> list[int | None] | None:
        """The stamps to `keep` when what follows has succeeded; None when no table has changed."""
        stamps = [log_stamp(table) for table in self._tables]
        return None if None not in stamps and stamps == self._kept else stamps

    def keep(self, stamps: list[int | None]) -> None:
        """What the tables held at these stamps has been read."""
        self._kept = stamps
