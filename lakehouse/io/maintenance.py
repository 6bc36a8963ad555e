"""Maintenance between two batches: merge small files, remove old files and commits."""

import itertools
import logging
import time
from collections.abc import Sequence

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import cached_table, clean_log, compact, vacuum

log = logging.getLogger("lumbung.maintenance")
TABLES_A_TURN = 4  # looked at, so that the wait of a table does not grow with the number of kinds


class Maintenance:
    """For the tables of one writer, which calls it between two writes: concurrent commits would conflict."""

    def __init__(self, tables: Sequence[str]) -> None:
        self._growing = {
            name
            for name in tables
            if contracts()[name].replace_by or contracts()[name].refresh not in ("fold", "overwrite")
        }
        self._tidy_next = itertools.cycle(tables)
        self._vacuum_next = itertools.cycle(tables)
        self._tidied_at = {name: cached_table(name).version() for name in tables}
        self._vacuumed_at = dict.fromkeys(tables, time.monotonic())

    def take_turn(self) -> None:
        """Tidy the next table that has enough new commits; vacuum another if it is due."""
        for table in itertools.islice(self._tidy_next, TABLES_A_TURN):
            new_commits = cached_table(table).version() - self._tidied_at[table]
            if new_commits >= settings().lake.compact_after_commits:
                self._tidy(table)
                break
        oldest = next(self._vacuum_next, None)
        if oldest and time.monotonic() - self._vacuumed_at[oldest] > 60 * settings().lake.vacuum_minutes:
            self._vacuum(oldest)

    def _tidy(self, name: str) -> None:
        clean_log(name)  # before a commit without the tag of a batch: the newest with one is kept
        if name in self._growing:
            began = time.monotonic()
            merged = compact(name)
            removed, added = merged["numFilesRemoved"], merged["numFilesAdded"]
            log.info("%s: %s files merged into %s in %.2f s", name, removed, added, time.monotonic() - began)
        self._tidied_at[name] = cached_table(name).version()

    def _vacuum(self, name: str) -> None:
        began = time.monotonic()
        removed = vacuum(name)
        self._vacuumed_at[name] = time.monotonic()
        log.info("%s: %d unreferenced files removed in %.2f s", name, removed, time.monotonic() - began)
