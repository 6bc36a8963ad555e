"""Recorded answers of a source, one JSON line each, so that they can be replayed without the source.

A line holds the answer's name, its time and its body; no address and no header, which may hold a key.
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson

from lakehouse.times import parse_time, rfc3339
from producers.collectors.source import Answer

TIMES = ("received_at", "server_time")


class BadRecording(ValueError):
    """A line that is no recorded answer; the message names file and line."""


class Recorder:
    """Appends the answers of a source to LUMBUNG_HOME/recordings/<source>/<UTC day>.jsonl."""

    def __init__(self, source: str, home: Path) -> None:
        self.file = home / "recordings" / source / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def write(self, answer: Answer) -> None:
        """Append the answer. A body that is not UTF-8 is kept as base64."""
        try:
            body = {"body": answer.body.decode()}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(answer.body).decode()}
        times = {"received_at": answer.received_at, "server_time": answer.server_time}
        line = {"name": answer.name, **{name: rfc3339(time) for name, time in times.items() if time}, **body}
        with self.file.open("ab") as out:
            out.write(orjson.dumps(line) + b"\n")


def recorded_answers(file: Path) -> Iterator[Answer]:
    """The answers of a file in order. Raises BadRecording, and OSError for a file that cannot be read."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                fields = orjson.loads(line)
                encoded = fields.get("body_base64")
                body = base64.b64decode(encoded) if encoded else fields["body"].encode()
                received_at, server_time = (parse_time(fields.get(n) or "") for n in TIMES)
                name = str(fields["name"])
            except (ValueError, KeyError, TypeError, AttributeError):
                raise BadRecording(f"{file.name}, line {number}: not a recorded answer") from None
            if received_at is None:
                raise BadRecording(f"{file.name}, line {number}: received_at is no RFC 3339 time")
            yield Answer(name, body, received_at, server_time)
