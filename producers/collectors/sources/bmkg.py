"""BMKG: the daily climate report of stations, in the columns of Data Online, as a JSON list below `data`.

One request for the whole report; its rows are recognised by station, day and values.
"""

from typing import Any

from conf.settings import settings
from lakehouse.io.source_files.file_rows import zone_of
from producers.collectors import source
from producers.collectors.times import end_of, iso_day

MEASURES = {  # payload field -> column of the report; 8888 and 9999 mean "not measured" to the stream as well
    "temperature_c": "TAVG",
    "temperature_min_c": "TN",
    "temperature_max_c": "TX",
    "humidity_pct": "RH_AVG",
    "rainfall_mm": "RR",
}
NEEDS = ("collectors.bmkg_url",)


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """A report that was corrected brings the corrected days as further events."""
    answer = await fetch.get("report", settings().collectors.bmkg_url)
    if answer:
        yield source.SourcePage(answer, cursor)


def items(answer: source.Answer) -> list[source.Item]:
    """A row is one station's day."""
    return [day_item(row) for row in source.rows_at(answer.json(), "data")]


def day_item(row: source.Payload) -> source.Item:
    """A row as a weather event, known when its day is over."""
    day = iso_day(row.get("TANGGAL"))
    region = row.get("PROVINSI")
    measured = {name: source.number_of(_given(row.get(column))) for name, column in MEASURES.items()}
    station = row.get("ID_WMO")
    payload = {
        "station_id": None if station is None else str(station),
        "region": region,
        "date": day,
        "event_time": end_of(day, zone_of({"region": region})),
        **measured,
    }
    return source.item_of("bmkg", row, payload, station, day, *measured.values())


def _given(value: Any) -> Any:
    """The value; None for what the report leaves empty."""
    return None if isinstance(value, str) and value.strip() in ("", "-") else value
