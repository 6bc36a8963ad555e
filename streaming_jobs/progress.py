"""What a process is doing, for people and probes: a JSON file below state/, replaced in one step."""

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conf.settings import settings


def tell(file: Path, state: dict[str, Any]) -> None:
    """Write `state` with the time of writing; a reader sees the old file or the new one, never half of it."""
    state["updated_at"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    fresh = file.with_suffix(".tmp")
    fresh.write_text(json.dumps(state))
    fresh.replace(file)


class Progress:
    """state/progress.json: the newest state of the stream; a note now and then keeps `updated_at` moving while no events come."""

    def __init__(self, stream_id: str) -> None:
        self._file = settings().state_dir / "progress.json"
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {
            "pid": os.getpid(),
            "stream_id": stream_id,
            "batch_id": None,
            "state": "starting",
            "batch_seconds": None,
            "batch_rows": 0,
            "lag_events": 0,
            "positions": {},
            "versions": {},
            "rows_total": {"in": 0, "silver": 0, "quarantine": 0, "duplicates": 0},
        }
        self.note()

    def note(self, counts: dict[str, int] | None = None, **changes: Any) -> None:
        """Merge `changes`, add `counts` to the totals since start, and write."""
        with self._lock:
            self._state.update(changes)
            for name, count in (counts or {}).items():
                self._state["rows_total"][name] += count
            tell(self._file, self._state)
