"""Maintenance between two batches: merge small files, remove old files and log entries."""

import itertools
import logging
import time
from collections.abc import Sequence

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import cached_table, compact, vacuum
from lakehouse.io.log_stamps import log_stamp

log = logging.getLogger("lumbung.maintenance")
TABLES_A_TURN = 4  # looked at, so that the wait of a table does not grow with the number of kinds


class Maintenance:
    """For the tables of one writer, which calls it between two writes: concurrent commits would conflict."""

    def __init__(self, tables: Sequence[str]) -> None:
        growing = [
            name
            for name in tables
            if contracts()[name].replace_by or contracts()[name].refresh not in ("fold", "overwrite")
        ]
        self._compact_next = itertools.cycle(growing)
        self._vacuum_next = itertools.cycle(tables)
        self._compacted_at = {name: cached_table(name).version() for name in tables}
        self._seen: dict[str, int | None] = {}  # stamps of tables that had too few new commits
        self._vacuumed_at = dict.fromkeys(tables, time.monotonic())

    def take_turn(self) -> None:
        """Compact the next table that has enough new commits; vacuum another if it is due."""
        for table in itertools.islice(self._compact_next, TABLES_A_TURN):
            if self._compact(table):
                break
        oldest = next(self._vacuum_next, None)
        if oldest and time.monotonic() - self._vacuumed_at[oldest] > 60 * settings().lake.vacuum_minutes:
            self._vacuum(oldest)

    def _compact(self, name: str) -> bool:
        """Whether the table had enough new commits, and was compacted."""
        stamp = log_stamp(name)
        if stamp is not None and stamp == self._seen.get(name):
            return False
        if cached_table(name).version() - self._compacted_at[name] < settings().lake.compact_after_commits:
            self._seen[name] = stamp
            return False
        began = time.monotonic()
        metrics = compact(name)
        self._compacted_at[name] = cached_table(name).version()
        log.info(
            "%s: %s files merged into %s in %.2f s",
            name,
            metrics["numFilesRemoved"],
            metrics["numFilesAdded"],
            time.monotonic() - began,
        )
        return True

    def _vacuum(self, name: str) -> None:
        began = time.monotonic()
        removed = vacuum(name)
        self._vacuumed_at[name] = time.monotonic()
        log.info("%s: %d unreferenced files removed in %.2f s", name, removed, time.monotonic() - began)
