"""Rows of a file -> events. Every cell or row is told: an event, or no event because the format says so."""

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.event import EVENT_ID, Event, file_event_id, series_key
from producers.file_rows import Row, long_rows, wide_rows
from producers.source_format import SourceFormat

COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Unreadable(ValueError):
    """A file that cannot be read on from some row; the text names file and row."""


class FileEvents:
    """The events of one file. Iterating reads the file anew; the order is that of the file (wide: by time within a row)."""

    def __init__(self, path: Path, source_format: SourceFormat) -> None:
        self.path = path
        self.name = path.name.encode("utf-8", "replace").decode()  # a name need not be text; headers must
        self.format = source_format
        with path.open("rb") as content:
            self.sha256 = hashlib.file_digest(content, "sha256").hexdigest()

    def rows(self) -> Iterator[Row]:
        """Everything that the file tells. Raises Unreadable."""
        layout = wide_rows if self.format.layout == "wide" else long_rows
        with self._table() as (header, numbered):
            if not header:
                return
            told, before = layout(self.format, header, self.format.origins(self.path)), 0.0
            for number, cells in numbered:
                if len(cells) != len(header):
                    misfit = {"raw_row": self.format.delimiter.join(cells)}
                    yield Row(self.format.events[0].kind, str(number), before, misfit)
                    continue
                found = told(number, cells, before)
                before = found[-1].time  # a row whose time cannot be read stands where it stands in the file
                yield from found

    def count(self) -> int:
        """How many rows `rows` tells, without making them. Raises Unreadable."""
        with self._table() as (header, numbered):
            wide = self.format.layout == "wide"
            each = len(header) - len(self.format.header) if wide else len(self.format.events)
            return sum(each if len(cells) == len(header) else 1 for _, cells in numbered)

    @contextmanager
    def _table(self) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
        """Header and numbered rows; blank lines are none."""
        with self.path.open(encoding=self.format.encoding, errors="surrogateescape", newline="") as lines:
            reader = csv.reader(lines, delimiter=self.format.delimiter)
            header = next(reader, [])
            yield ["", *header] if self.format.index_column and header else header, self._numbered(reader)

    def _numbered(self, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            for number, cells in enumerate(filter(None, reader), start=1):
                yield number, cells
        except (csv.Error, UnicodeError) as error:
            raise Unreadable(f"{self.name} cannot be read behind row {number}: {error}") from None

    def ordered(self) -> Iterator[Row]:
        """Rows by event time. Wide files are published by day and streamed; long ones are sorted in memory."""
        return self.rows() if self.format.layout == "wide" else iter(sorted(self.rows(), key=lambda row: row.time))

    def event(self, row: Row) -> Event:
        """The event of a row that has a payload. Bytes that are not UTF-8 stay as they are in the file."""
        payload = row.payload or {}
        own = payload.get("event_id")
        made = file_event_id(self.name, self.sha256, row.position)
        return Event(
            kind=row.kind,
            key=series_key(row.kind, payload, self.name).encode("utf-8", "replace").decode(),
            value=COMPACT.encode(payload).encode("utf-8", "surrogateescape"),
            event_id=own if isinstance(own, str) and EVENT_ID.fullmatch(own) else made,
            source=f"file:{self.name}#{row.position}",
            received_at=datetime.now(UTC),
        )
