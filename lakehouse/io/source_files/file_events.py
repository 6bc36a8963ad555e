"""Rows of a file -> events. Every row or cell is an event, or none where the format says `no_event`."""

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.event import EVENT_ID, Event, file_event_id, series_key
from lakehouse.io.source_files.file_rows import Payload, Row, long_rows, wide_rows
from lakehouse.io.source_files.source_format import SourceFormat

COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Unreadable(ValueError):
    """A file that cannot be read past some row; the message names file and row."""


def digest_of(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class FileEvents:
    """The events of one file, in its order (wide: by time within a row)."""

    def __init__(self, path: Path, source_format: SourceFormat) -> None:
        self.path = path
        self.name = path.name.encode("utf-8", "replace").decode()  # a name need not be text; headers must
        self.format = source_format
        self.sha256 = digest_of(path)

    def rows(self) -> Iterator[Row]:
        """Every row or cell of the file. Raises Unreadable."""
        reader = wide_rows if self.format.layout == "wide" else long_rows
        with self._table() as (header, numbered):
            if not header:
                return
            rows_of = reader(self.format, header, self.format.origins(self.path))
            before = 0.0
            above = hashlib.sha256()
            for number, cells in numbered:
                above.update("\0".join((*cells, "\n")).encode("utf-8", "surrogateescape"))
                if len(cells) != len(header):
                    payload: Payload = {"raw_row": self.format.delimiter.join(cells)}
                    yield Row(self.format.events[0].kind, str(number), before, payload, above.digest())
                    continue
                rows = rows_of(number, cells, before)
                before = rows[-1].time  # a row whose time is unreadable keeps its place in the file
                for row in rows:
                    has_time = row.payload is None or "event_time" in row.payload
                    yield row if has_time else replace(row, above=above.digest())

    def count(self) -> int:
        """How many rows `rows` yields, without converting them. Raises Unreadable."""
        with self._table() as (header, numbered):
            is_wide = self.format.layout == "wide"
            per_line = len(self.format.across_columns(header)) if is_wide else len(self.format.events)
            return sum(per_line if len(cells) == len(header) else 1 for _, cells in numbered)

    @contextmanager
    def _table(self) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
        """Header and numbered rows; blank lines are skipped."""
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
            raise Unreadable(f"{self.name} cannot be read after row {number}: {error}") from None

    def ordered(self) -> Iterator[Row]:
        """Rows by event time. Files with a row a day are streamed, others are sorted in memory."""
        if self.format.across in ("region", "market"):
            return self.rows()
        return iter(sorted(self.rows(), key=lambda row: row.time))

    def event(self, row: Row) -> Event:
        """The event of a row with a payload. Bytes that are not UTF-8 are kept as they are in the file."""
        payload = row.payload or {}
        value = COMPACT.encode(payload).encode("utf-8", "surrogateescape")
        own_id = payload.get("event_id")
        has_id = isinstance(own_id, str) and EVENT_ID.fullmatch(own_id)
        return Event(
            kind=row.kind,
            key=series_key(row.kind, payload, self.name).encode("utf-8", "replace").decode(),
            value=value,
            event_id=str(own_id) if has_id else file_event_id(self.name, row.position, value, row.above),
            source=f"file:{self.name}#{row.position}",
            received_at=datetime.now(UTC),
        )
