"""BMKG: the daily climate report of stations, in the columns of Data Online, as a JSON list below `data`."""

from collections.abc import AsyncGenerator
from typing import Any

from conf.settings import settings
from lakehouse.io.source_files.file_rows import zone_of
from producers.collectors.source import (
    Answer,
    Cursor,
    Fetch,
    Item,
    Payload,
    SourcePage,
    number_of,
    row_id,
    rows_at,
    unknown_fields,
    without_missing,
)
from producers.collectors.times import end_of, iso_day

MEASURES = {  # payload field -> column of the report; 8888 and 9999 mean "not measured" to the stream as well
    "temperature_c": "TAVG",
    "temperature_min_c": "TN",
    "temperature_max_c": "TX",
    "humidity_pct": "RH_AVG",
    "rainfall_mm": "RR",
}


class Bmkg:
    """One request for the whole report; its rows are recognised by station, day and values."""

    name = "bmkg"

    def missing(self) -> str | None:
        return None if settings().collectors.bmkg_url else "collectors.bmkg_url"

    async def poll(self, fetch: Fetch, cursor: Cursor) -> AsyncGenerator[SourcePage, None]:
        """A report that was corrected brings the corrected days as further events."""
        answer = await fetch.get("report", settings().collectors.bmkg_url)
        if answer:
            yield SourcePage(answer, cursor)

    def items(self, answer: Answer) -> list[Item]:
        """A row is one station's day."""
        return [day_item(row) for row in rows_at(answer.json(), "data")]


def day_item(row: Payload) -> Item:
    """A row as a weather event, known when its day is over."""
    day = iso_day(row.get("TANGGAL"))
    region = row.get("PROVINSI")
    measured = {name: number_of(_given(row.get(column))) for name, column in MEASURES.items()}
    station = row.get("ID_WMO")
    payload = {
        "station_id": None if station is None else str(station),
        "region": region,
        "date": day,
        "event_time": end_of(day, zone_of({"region": region})),
        **measured,
    }
    identity = row_id(station, day, *measured.values())
    return Item(identity, without_missing(payload) | unknown_fields("bmkg", row))


def _given(value: Any) -> Any:
    """The value; None for what the report leaves empty."""
    return None if isinstance(value, str) and value.strip() in ("", "-") else value


SOURCE = Bmkg()
