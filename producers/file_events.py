"""Rows of a file -> events. Every cell or row is told: an event, or no event because the format says so."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from lakehouse.event import EVENT_ID, Event, file_event_id, parse_time, series_key
from lakehouse.reference import DEFAULT_TIMEZONE, Province, matching_key, provinces, region_aliases
from producers.source_format import FieldMap, SourceFormat

Payload = dict[str, object]


class Unreadable(ValueError):
    """A file that cannot be read on from some row; the text names file and row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event to be: where it stands in the file, when it happened (epoch seconds), what it says (None: no event)."""

    position: str  # "<row>" or "<row>:<column>", rows counted from 1 below the header
    time: float
    payload: Payload | None


@lru_cache(maxsize=4096)
def local_time(text: str, pattern: str, zone: str) -> tuple[str, float] | None:
    """(RFC 3339 with offset, epoch seconds) of a naive time in a zone; None when it does not fit the pattern."""
    try:
        moment = datetime.strptime(text, pattern).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return None
    return moment.isoformat(), moment.timestamp()


class FileEvents:
    """The events of one file. Iterating reads the file anew; the order is that of the file (wide: by time within a row)."""

    def __init__(self, path: Path, source_format: SourceFormat) -> None:
        self.path = path
        self.name = path.name.encode("utf-8", "replace").decode()  # a name need not be text; headers must
        self.format = source_format
        with path.open("rb") as content:
            self.sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        self._last = 0.0  # a row whose time cannot be read stands where it stands in the file

    def rows(self) -> Iterator[Row]:
        """Every row (long) or cell (wide). Raises Unreadable."""
        with self.path.open(encoding=self.format.encoding, errors="surrogateescape", newline="") as lines:
            reader = csv.reader(lines, delimiter=self.format.delimiter)
            header = next(reader, [])
            if self.format.index_column:
                header = ["", *header]
            make = self._wide(header) if self.format.layout == "wide" else None
            for number, cells in self._numbered(reader):
                if len(cells) != len(header):
                    yield Row(str(number), self._last, {"raw_row": self.format.delimiter.join(cells)})
                elif make:
                    yield from make(number, cells)
                else:
                    yield self._long(number, dict(zip(header, cells, strict=True)))

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
            kind=self.format.kind,
            key=series_key(self.format.kind, payload, self.name).encode("utf-8", "replace").decode(),
            value=json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape"),
            event_id=own if isinstance(own, str) and EVENT_ID.fullmatch(own) else made,
            source=f"file:{self.name}#{row.position}",
            received_at=datetime.now(UTC),
        )

    def _no_event(self, field: str, text: str) -> bool:
        return text.strip() in self.format.no_event.get(field, ())

    def _long(self, number: int, cells: dict[str, str]) -> Row:
        payload: Payload = {}
        skipped = False
        for name, source in self.format.fields.items():
            if source.constant is not None:
                payload[name] = source.constant
            elif source.origin == "file_stem":
                payload[name] = self.path.stem
            elif text := cells.get(source.column or "", ""):
                payload[name] = source.value(text)
            skipped = skipped or self._no_event(name, cells.get(source.column or "", ""))
        self._last = self._time(payload, cells[self.format.time.column])
        return Row(str(number), self._last, None if skipped else payload)

    def _time(self, payload: Payload, text: str) -> float:
        """Put event_time into the payload; returns epoch seconds, those of the row before when it cannot be read."""
        pattern = self.format.time.format
        if pattern == "rfc3339":
            if text:
                payload["event_time"] = text
            moment = parse_time(text)
            return moment.timestamp() if moment else self._last
        zone = DEFAULT_TIMEZONE if self.format.time.zone == "region" else self.format.time.zone
        known = local_time(text, pattern, zone)
        payload["event_time"] = known[0] if known else text
        return known[1] if known else self._last

    def _wide(self, header: list[str]) -> Callable[[int, list[str]], Iterator[Row]]:
        """A function (row number, cells) -> rows of its cells, by event time: provinces east of others wake up first."""
        lead = len(self.format.header)
        places: list[tuple[int, str, Province]] = []
        for column, name in enumerate(header[lead:], start=lead):
            places.append((column, name, provinces()[region_aliases()[matching_key(name)]]))
        places.sort(key=lambda place: -datetime.now(ZoneInfo(place[2].timezone)).utcoffset().total_seconds())  # type: ignore[union-attr]
        when = header.index(self.format.time.column)
        fixed = {name: source for name, source in self.format.fields.items() if source.origin != "cell"}
        cell_name, cell = next((name, source) for name, source in self.format.fields.items() if source.origin == "cell")

        def cells_of(number: int, cells: list[str]) -> Iterator[Row]:
            for column, name, place in places:
                text = cells[column]
                known = local_time(cells[when], self.format.time.format, place.timezone)
                self._last = known[1] if known else self._last
                if self._no_event(cell_name, text):
                    yield Row(f"{number}:{name}", self._last, None)
                    continue
                payload: Payload = {}
                for field, source in fixed.items():
                    payload[field] = place.market_id if source.origin == "province_market" else self._fixed(source, cells, header)
                payload[cell_name] = cell.value(text)
                payload["event_time"] = known[0] if known else cells[when]
                yield Row(f"{number}:{name}", self._last, payload)

        return cells_of

    def _fixed(self, source: FieldMap, cells: list[str], header: list[str]) -> object:
        if source.origin == "file_stem":
            return self.path.stem
        return source.constant if source.constant is not None else source.value(cells[header.index(source.column or "")])
