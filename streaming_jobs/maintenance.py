"""Housekeeping between two batches, one table at a time: small files merged, old files and log entries removed."""

import itertools
import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from conf.settings import settings
from lakehouse.contract import contracts
from streaming_jobs.delta_sink import open_table

log = logging.getLogger("lumbung.maintenance")


class Maintenance:
    """For the tables of one writer, called by that writer between two writes: two at once would undo each other's commits."""

    def __init__(self, tables: Sequence[str]) -> None:
        growing = [name for name in tables if contracts()[name].refresh not in ("fold", "overwrite")]
        self._turn, self._sweep = itertools.cycle(growing), itertools.cycle(tables)
        self._merged_at = {name: open_table(name).version() for name in tables}
        self._swept_at = dict.fromkeys(tables, time.monotonic())

    def take_turn(self) -> None:
        """Merge the small files of the next table if it has gathered enough commits; sweep another if its time has come."""
        growing, name = next(self._turn, None), next(self._sweep, None)
        if growing:
            self._merge(growing)
        if name and time.monotonic() - self._swept_at[name] > 60 * settings().stream.vacuum_minutes:
            self._sweep_table(name)

    def _merge(self, name: str) -> None:
        table = open_table(name)
        if table.version() - self._merged_at[name] < settings().stream.compact_after_commits:
            return
        began = time.monotonic()
        metrics = table.optimize.compact(target_size=settings().stream.compact_target_bytes, max_concurrent_tasks=1)
        self._merged_at[name] = open_table(name).version()
        log.info(
            "%s: %s files merged into %s in %.2f s",
            name,
            metrics["numFilesRemoved"],
            metrics["numFilesAdded"],
            time.monotonic() - began,
        )

    def _sweep_table(self, name: str) -> None:
        began = time.monotonic()
        table = open_table(name)
        hours = contracts()[name].retention_hours
        gone = table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)
        table.create_checkpoint()
        table.cleanup_metadata()
        self._swept_at[name] = time.monotonic()
        log.info(
            "%s: %d files older than %s removed in %.2f s", name, len(gone), timedelta(hours=hours), time.monotonic() - began
        )
