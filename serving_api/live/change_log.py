"""Changes that are never replaced by newer ones: kept one by one while a client may resume."""

import time
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from lakehouse.translation import Language

ENTRIES_KEPT = 10_000


class LogEntry(NamedTuple):
    """One change, encoded in each language. `owner`: id of the only person who gets it; None: no such one."""

    version: int
    logged_at: float
    encoded: Mapping[Language, bytes]
    commodity: str | None = None
    region_code: str | None = None
    owner: str | None = None


class ChangeLog:
    """Changes of one channel, and those of them that describe what is open now."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque()
        self._dropped_version = 0
        self._open: dict[str, LogEntry] = {}  # as last published

    def open_entry(self, key: str) -> LogEntry | None:
        """The last change of something that is open."""
        return self._open.get(key)

    def append(self, entry: LogEntry, key: str | None = None, is_open: bool = False) -> None:
        """Keep a change. `key`: what has changed; `is_open`: whether a new client gets it too."""
        self._entries.append(entry)
        if key is not None:
            self._open.pop(key, None)
            if is_open:
                self._open[key] = entry

    def since(self, version: int) -> list[LogEntry]:
        """Changes newer than a version, oldest first; of version 0: what is open."""
        newer = []
        for entry in reversed(self._entries if version else self._open.values()):
            if entry.version <= version:
                break
            newer.append(entry)
        return newer[::-1]

    def keeps_since(self, version: int) -> bool:
        """Whether no change after the version was dropped."""
        return version >= self._dropped_version

    def drop_old(self, seconds: float) -> None:
        """Drop changes that are older, and what exceeds ENTRIES_KEPT."""
        oldest = time.monotonic() - seconds
        while self._entries and (self._entries[0].logged_at < oldest or len(self._entries) > ENTRIES_KEPT):
            self._dropped_version = self._entries.popleft().version
