"""Cells of a file's row -> rows to send: one per event of the format (long) or one per province (wide)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lakehouse.io.source_files.field_map import RFC3339, FieldMap, TimeMap, Value, cell_reader
from lakehouse.io.source_files.source_format import CELL_ORIGINS, EventMap, SourceFormat
from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    market_id_of,
    markets,
    matching_key,
    province_timezone,
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
    readers = field_readers(
        {name: field for name, field in event.fields.items() if name not in named_by_time}, header, origins
    )
    named_markets = market_names(event)
    empty_texts = [
        (header.index(column), frozenset(texts))
        for name, texts in event.no_event.items()
        for column in event.fields[name].columns
        if column in header
    ]
    time_text = time_reader(event.time, header, origins)
    # An event of a format with full times may leave its time out: then the time of receipt is used.
    may_lack_time = event.time.format == RFC3339
    in_local_time = event.time.zone == "region" and not may_lack_time

    def read(cells: list[str], before: float) -> tuple[float, Payload | None]:
        payload: Payload = {name: value for name, reader in readers if (value := reader(cells)) is not None}
        identify_markets(payload, named_markets)
        zone = zone_of(payload) if in_local_time else DEFAULT_TIMEZONE
        text, seconds = event.time.read(time_text(cells), before, zone)
        if any(cells[position].strip() in texts for position, texts in empty_texts):
            return seconds, None
        if text or not may_lack_time:
            payload["event_time"] = text
            payload |= dict.fromkeys(named_by_time, text)
        return seconds, payload

    return read


def time_reader(time: TimeMap, header: list[str], origins: Mapping[str, str]) -> Callable[[list[str]], str]:
    """A function cells -> text of the time; empty where it is that of receipt."""
    if time.column:
        return cell_reader(header, time.column)
    fixed = origins[time.origin] if time.origin else ""
    return lambda cells: fixed


def field_readers(
    fields: Mapping[str, FieldMap], header: list[str], origins: Mapping[str, str]
) -> list[tuple[str, Callable[[list[str]], Value | None]]]:
    """(name, reader of its value) of fields. Names of markets stay text: their ids depend on the region."""
    as_text = {
        name: field.model_copy(update={"as_": "text"}) if field.as_ == "market" else field
        for name, field in fields.items()
    }
    return [(name, field.reader(header, origins)) for name, field in as_text.items()]


def market_names(event: EventMap) -> list[str]:
    """The fields of an event that are names of markets."""
    return [name for name, field in event.fields.items() if field.as_ == "market"]


def identify_markets(payload: Payload, fields: list[str]) -> None:
    """Put the ids of markets in place of their names, those of the payload's region."""
    for name in fields:
        if isinstance(market := payload.get(name), str):
            payload[name] = market_id_of(market, region_code_of(payload.get("region")))


def region_code_of(name: object) -> str | None:
    """The code of the province that a payload names; None for an unknown one."""
    return region_aliases().get(matching_key(name)) if isinstance(name, str) else None


def zone_of(payload: Payload) -> str:
    """The time zone of the payload's region, else of its listed market, else Jakarta's."""
    market = markets().get(str(payload.get("market_id")))
    code = region_code_of(payload.get("region")) or (market.region_code if market else None)
    return province_timezone(code)


@dataclass(frozen=True, slots=True)
class WideColumn:
    """A column of a wide file whose cells are events.

    `payload`: what its name says. `zone`: its time zone, empty where the rest of the payload says it. `time`:
    the text of the event time, None where a column of the row holds it.
    """

    position: int
    name: str
    payload: Payload
    zone: str = ""
    time: str | None = None


def wide_rows(source_format: SourceFormat, header: list[str], origins: Mapping[str, str]) -> RowReader:
    """A reader of every cell of a row; across provinces by event time: a day begins in the eastern ones."""
    (event,) = source_format.events
    cell_name, cell_field = next(item for item in event.fields.items() if item[1].origin == "cell")
    convert = cell_field.converter()
    empty_texts = frozenset(event.no_event.get(cell_name, ()))
    others = {name: field for name, field in event.fields.items() if field.origin not in CELL_ORIGINS}
    readers = field_readers(others, header, origins)
    named_markets = market_names(event)
    columns = wide_columns(source_format, header)
    time_text = cell_reader(header, event.time.column or header[0])

    def read(number: int, cells: list[str], before: float) -> list[Row]:
        shared = {name: value for name, reader in readers if (value := reader(cells)) is not None}
        rows = []
        for column in columns:
            payload: Payload = column.payload | shared
            identify_markets(payload, named_markets)
            time = time_text(cells) if column.time is None else column.time
            text, before = event.time.read(time, before, column.zone or zone_of(payload))
            is_empty = cells[column.position].strip() in empty_texts
            if not is_empty:
                payload |= {cell_name: convert(cells[column.position]), "event_time": text}
            rows.append(Row(event.kind, f"{number}:{column.name}", before, None if is_empty else payload))
        return rows

    return read


def wide_columns(source_format: SourceFormat, header: list[str]) -> list[WideColumn]:
    """The columns after the leading ones: provinces from east to west, markets, or dates as in the file."""
    fields = source_format.events[0].fields
    by_name = {name: field for name, field in fields.items() if field.origin == "column"}
    by_market = [name for name, field in fields.items() if field.origin == "province_market"]
    columns = []
    for position, title in source_format.across_columns(header):
        payload: Payload = {
            name: title if field.as_ == "market" else field.value(title) for name, field in by_name.items()
        }
        if source_format.across == "region":
            province = provinces()[region_aliases()[matching_key(title)]]
            payload = dict.fromkeys(by_market, province.market_id) | payload
            columns.append(WideColumn(position, title, payload, province.timezone))
        else:
            time = title if source_format.across == "date" else None
            columns.append(WideColumn(position, title, payload, time=time))
    return sorted(columns, key=local_clock, reverse=True)


def local_clock(column: WideColumn) -> datetime:
    """The time at a column's place on A_DAY; the same for all columns without a zone of their own."""
    return A_DAY.astimezone(ZoneInfo(column.zone or DEFAULT_TIMEZONE)).replace(tzinfo=None)
