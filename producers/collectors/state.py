"""How far a source was collected, on disk: replaced in one step, after Kafka has acknowledged."""

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from producers.collectors.source import Answer, Cursor

log = logging.getLogger("lumbung.collectors")
STORED = ("cursor", "polled_at", "replayed", "answers")


class SourceState:
    """The cursor of a source, and of each answer that it gave last: its ETag and the ids of its events."""

    def __init__(self, name: str) -> None:
        self._file = settings().state_dir / "collectors" / f"{name}.json"
        stored = _stored(self._file)
        self.cursor: Cursor = stored.get("cursor", {})
        self.polled_at: float = stored.get("polled_at", 0.0)  # epoch seconds of the newest complete poll
        self.replayed: str | None = stored.get("replayed")  # SHA-256 of the recording that was sent last
        self.answers: dict[str, dict[str, Any]] = stored.get("answers", {})

    def etag(self, name: str, address: str) -> str | None:
        """The ETag of the answer stored last under that name, if it was of the same address (a digest)."""
        etag, of_address = self.answers.get(name, {}).get("validator") or (None, None)
        return etag if of_address == address else None

    def known_ids(self) -> set[str]:
        """Ids of the events of all those answers: they were sent."""
        return {event_id for answer in self.answers.values() for event_id in answer["ids"]}

    def keep(self, answers: Iterable[tuple[Answer, list[str]]], cursor: Cursor) -> None:
        """Store answers whose events (ids) Kafka has acknowledged, and the cursor after them."""
        for answer, ids in answers:
            self.answers[answer.name] = {"validator": answer.validator, "ids": ids}
        self.cursor = cursor
        self._save()

    def end_poll(self, names: set[str]) -> None:
        """A poll is complete; `names`: answers that it requested, changed or not. Forgets the others."""
        self.answers = {name: answer for name, answer in self.answers.items() if name in names}
        self.polled_at = time.time()
        self._save()

    def end_replay(self, sha256: str) -> None:
        """A recording is stored."""
        self.replayed = sha256
        self._save()

    def _save(self) -> None:
        write_json(self._file, {name: getattr(self, name) for name in STORED})


def _stored(file: Path) -> dict[str, Any]:
    """The content of the file; empty without one, and when it cannot be read.

    Then everything is collected again, and the stream drops what it knows.
    """
    try:
        content = read_json(file)
    except ValueError as error:
        log.warning("%s; its source is collected from the beginning", error)
        content = None
    return content if isinstance(content, dict) else {}
