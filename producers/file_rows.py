"""Cells of a file's row -> what is told of them: one row per event of the format (long) or per province (wide)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lakehouse.reference import Province, matching_key, provinces, region_aliases
from producers.source_format import EventMap, SourceFormat

Payload = dict[str, object]
A_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # any: no province puts its clock forward


@dataclass(frozen=True, slots=True)
class Row:
    """One event to be: where it stands in the file, when it happened (epoch seconds), what it says (None: no event)."""

    kind: str
    position: str  # "<row>", "<row>:<column>" or "<row>:<kind>:<n>", rows counted from 1 below the header
    time: float
    payload: Payload | None


Told = Callable[[int, list[str], float], list[Row]]  # number of the row, its cells, time of the row before


def long_rows(source_format: SourceFormat, header: list[str], origins: Mapping[str, str]) -> Told:
    """A function that tells every event of a row, in the order of the format."""
    events, counted = [], dict.fromkeys((event.kind for event in source_format.events), 0)
    for event in source_format.events:
        counted[event.kind] += 1
        place = f":{event.kind}:{counted[event.kind]}" if len(source_format.events) > 1 else ""
        events.append((event.kind, place, _event(event, header, origins)))

    def rows_of(number: int, cells: list[str], before: float) -> list[Row]:
        return [Row(kind, f"{number}{place}", *tell(cells, before)) for kind, place, tell in events]

    return rows_of


def _event(
    event: EventMap, header: list[str], origins: Mapping[str, str]
) -> Callable[[list[str], float], tuple[float, Payload | None]]:
    """A function (cells, time before) -> (epoch seconds, payload)."""
    by_time = [name for name, field in event.fields.items() if field.origin == "event_time"]
    readers = [(name, field.reader(header, origins)) for name, field in event.fields.items() if name not in by_time]
    silent = [
        (header.index(column), frozenset(marks))
        for name, marks in event.no_event.items()
        for column in event.fields[name].columns
        if column in header
    ]
    when, read, passed_on = header.index(event.time.column), event.time.read, event.time.format == "rfc3339"

    def tell(cells: list[str], before: float) -> tuple[float, Payload | None]:
        text, seconds = read(cells[when], before)
        if any(cells[at].strip() in marks for at, marks in silent):
            return seconds, None
        payload: Payload = {name: value for name, reader in readers if (value := reader(cells)) is not None}
        if text or not passed_on:  # an event that bears its own time may leave it out: then the time of receipt holds
            payload["event_time"] = text
            payload |= dict.fromkeys(by_time, text)
        return seconds, payload

    return tell


def wide_rows(source_format: SourceFormat, header: list[str], origins: Mapping[str, str]) -> Told:
    """A function that tells every cell of a row, by event time: provinces east of others wake up first."""
    (event,) = source_format.events
    places: list[tuple[int, str, Province]] = []
    for column, name in enumerate(header[len(source_format.header) :], start=len(source_format.header)):
        places.append((column, name, provinces()[region_aliases()[matching_key(name)]]))
    places.sort(key=lambda place: A_DAY.astimezone(ZoneInfo(place[2].timezone)).replace(tzinfo=None), reverse=True)
    when = header.index(event.time.column)
    cell_name, value = next((name, field.converter()) for name, field in event.fields.items() if field.origin == "cell")
    marks = frozenset(event.no_event.get(cell_name, ()))
    fixed = {n: f.reader(header, origins) for n, f in event.fields.items() if f.origin not in ("cell", "province_market")}
    market = next((name for name, field in event.fields.items() if field.origin == "province_market"), None)

    def rows_of(number: int, cells: list[str], before: float) -> list[Row]:
        rows = []
        for column, region, place in places:
            text, before = event.time.read(cells[when], before, place.timezone)
            payload: Payload | None = None
            if cells[column].strip() not in marks:
                payload = {market: place.market_id} if market else {}
                payload |= {name: said for name, reader in fixed.items() if (said := reader(cells)) is not None}
                payload |= {cell_name: value(cells[column]), "event_time": text}
            rows.append(Row(event.kind, f"{number}:{region}", before, payload))
        return rows

    return rows_of
