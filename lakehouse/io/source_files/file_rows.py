"""Cells of a file's row -> rows to send: one per event of the format (long) or one per province (wide)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lakehouse.io.source_files.source_format import EventMap, SourceFormat
from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    Province,
    market_id_of,
    markets,
    matching_key,
    provinces,
    region_aliases,
)

Payload = dict[str, object]
A_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # any day: no province has daylight saving time


@dataclass(frozen=True, slots=True)
class Row:
    """An event to be sent, or none when `payload` is None. `time`: epoch seconds of the event."""

    kind: str
    position: str  # "<row>", "<row>:<column>" or "<row>:<kind>:<n>", rows counted from 1 below the header
    time: float
    payload: Payload | None
    above: bytes = b""  # digest of the file's rows up to this one, when the payload has no time of its own


# (number of the row, its cells, time of the previous row) -> rows
RowReader = Callable[[int, list[str], float], list[Row]]
# (cells, time of the previous row) -> (epoch seconds, payload)
EventReader = Callable[[list[str], float], tuple[float, Payload | None]]


def long_rows(source_format: SourceFormat, header: list[str], origins: Mapping[str, str]) -> RowReader:
    """A reader of every event of a row, in the order of the format."""
    is_only = len(source_format.events) == 1
    seen = dict.fromkeys((event.kind for event in source_format.events), 0)
    readers: list[tuple[str, str, EventReader]] = []
    for event in source_format.events:
        seen[event.kind] += 1
        suffix = "" if is_only else f":{event.kind}:{seen[event.kind]}"
        readers.append((event.kind, suffix, event_reader(event, header, origins)))

    def read(number: int, cells: list[str], before: float) -> list[Row]:
        return [Row(kind, f"{number}{suffix}", *reader(cells, before)) for kind, suffix, reader in readers]

    return read


def event_reader(event: EventMap, header: list[str], origins: Mapping[str, str]) -> EventReader:
    """A reader of one event of a row."""
    named_by_time = [name for name, field in event.fields.items() if field.origin == "event_time"]
    named_markets = [name for name, field in event.fields.items() if field.as_ == "market"]
    as_text = {name: event.fields[name].model_copy(update={"as_": "text"}) for name in named_markets}
    readers = [
        (name, field.reader(header, origins))
        for name, field in {**event.fields, **as_text}.items()
        if name not in named_by_time
    ]
    empty_texts = [
        (header.index(column), frozenset(texts))
        for name, texts in event.no_event.items()
        for column in event.fields[name].columns
        if column in header
    ]
    time_position = header.index(event.time.column)
    # An event of a format with full times may leave its time out: then the time of receipt is used.
    may_lack_time = event.time.format == "rfc3339"
    in_local_time = event.time.zone == "region" and not may_lack_time

    def read(cells: list[str], before: float) -> tuple[float, Payload | None]:
        payload: Payload = {name: value for name, reader in readers if (value := reader(cells)) is not None}
        for name in named_markets:
            if isinstance(market := payload.get(name), str):
                payload[name] = market_id_of(market, region_code_of(payload.get("region")))
        zone = zone_of(payload) if in_local_time else DEFAULT_TIMEZONE
        text, seconds = event.time.read(cells[time_position], before, zone)
        if any(cells[position].strip() in texts for position, texts in empty_texts):
            return seconds, None
        if text or not may_lack_time:
            payload["event_time"] = text
            payload |= dict.fromkeys(named_by_time, text)
        return seconds, payload

    return read


def region_code_of(name: object) -> str | None:
    """The code of the province that a payload names; None for an unknown one."""
    return region_aliases().get(matching_key(name)) if isinstance(name, str) else None


def zone_of(payload: Payload) -> str:
    """The time zone of the payload's region, else of its listed market, else Jakarta's."""
    market = markets().get(str(payload.get("market_id")))
    code = region_code_of(payload.get("region")) or (market.region_code if market else None)
    return provinces()[code].timezone if code else DEFAULT_TIMEZONE


def wide_rows(source_format: SourceFormat, header: list[str], origins: Mapping[str, str]) -> RowReader:
    """A reader of every cell of a row, by event time: a day begins in the eastern provinces."""
    (event,) = source_format.events
    columns = province_columns(source_format, header)
    time_position = header.index(event.time.column)
    cell_name, cell_field = next(item for item in event.fields.items() if item[1].origin == "cell")
    market_field = next(
        (name for name, field in event.fields.items() if field.origin == "province_market"), None
    )
    convert = cell_field.converter()
    empty_texts = frozenset(event.no_event.get(cell_name, ()))
    readers = {
        name: field.reader(header, origins)
        for name, field in event.fields.items()
        if field.origin not in ("cell", "province_market")
    }

    def read(number: int, cells: list[str], before: float) -> list[Row]:
        shared = {name: value for name, reader in readers.items() if (value := reader(cells)) is not None}
        rows = []
        for position, region, province in columns:
            text, before = event.time.read(cells[time_position], before, province.timezone)
            payload: Payload | None = None
            if cells[position].strip() not in empty_texts:
                payload = {market_field: province.market_id} if market_field else {}
                payload |= shared
                payload |= {cell_name: convert(cells[position]), "event_time": text}
            rows.append(Row(event.kind, f"{number}:{region}", before, payload))
        return rows

    return read


def province_columns(source_format: SourceFormat, header: list[str]) -> list[tuple[int, str, Province]]:
    """(position, name in the header, province) of the columns after the leading ones, from east to west."""
    columns = [
        (position, name, provinces()[region_aliases()[matching_key(name)]])
        for position, name in source_format.across_columns(header)
    ]

    def local_clock(column: tuple[int, str, Province]) -> datetime:
        return A_DAY.astimezone(ZoneInfo(column[2].timezone)).replace(tzinfo=None)

    return sorted(columns, key=local_clock, reverse=True)
