"""The stream's status file: what it is doing, for people and probes."""

import os
import threading
from typing import Any

from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.contracts.contract import rule_set
from lakehouse.io.process_status import STREAM, STREAM_FAILURE, status_file, stream_failure

REASON_LENGTH = 300  # characters


def note_failure(batch_id: int, error: Exception) -> None:
    """Write that the batch failed, and how often in turn."""
    before = stream_failure()
    failures = before["failures"] if before and before["batch_id"] == batch_id else 0
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {lines[0] if lines else ''}"[:REASON_LENGTH]
    status = {"batch_id": batch_id, "failures": failures + 1, "reason": reason}
    write_status(status_file(STREAM_FAILURE), status)


class StreamProgress:
    """The newest `StreamStatus`.

    The main thread writes it every 2 s too, so that `updated_at` moves without events.
    """

    def __init__(self, stream_id: str) -> None:
        self._file = status_file(STREAM)
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {
            "pid": os.getpid(),
            "stream_id": stream_id,
            "rule_set": rule_set(settings().rule_values()),
            "batch_id": None,
            "state": "starting",
            "batch_seconds": None,
            "batch_rows": 0,
            "positions": {},
            "rows_total": {"in": 0, "silver": 0, "quarantine": 0, "duplicates": 0},
        }
        self.update()

    def update(self, counts: dict[str, int] | None = None, **changes: Any) -> None:
        """Merge `changes`, add `counts` to the totals since the start, and write the file."""
        with self._lock:
            self._state.update(changes)
            for name, count in (counts or {}).items():
                self._state["rows_total"][name] += count
            write_status(self._file, self._state)
