"""BPS WebAPI: figures of dynamic tables. A key of `datacontent` joins ids of place, variable and period.

One request a variable and year: the year before and this one, for figures are revised.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from conf.settings import secrets, settings
from lakehouse.io.source_files.field_map import MONTHS as SPELLINGS
from lakehouse.reference import DEFAULT_TIMEZONE
from producers.collectors import source
from producers.collectors.times import jakarta_time

FIRST_YEAR = 1900  # years are counted from it
NATION = "9999"  # id of the whole country among the places
WITHOUT_PARTS = "0"  # id of a table that is not divided further
MONTHS = tuple(spellings.split()[1].lower() for spellings in SPELLINGS)
QUARTERS = ("triwulan i", "triwulan ii", "triwulan iii", "triwulan iv")
WHOLE_YEARS = ("tahun", "tahunan")
NEEDS = ("collectors.bps_url", "collectors.bps_variables")


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """The key is part of the address, which is why no address is ever logged."""
    base = f"{settings().collectors.bps_url.rstrip('/')}/list/model/data/lang/ind/domain/0000"
    this_year = datetime.now(ZoneInfo(DEFAULT_TIMEZONE)).year
    key = f"/key/{secrets().bps_key}" if secrets().bps_key else ""
    for variable in settings().collectors.bps_variables:
        for year in (this_year - 1, this_year):
            url = f"{base}/var/{variable}/th/{year - FIRST_YEAR}{key}"
            answer = await fetch.get(f"variable {variable} of {year}", url)
            if answer:
                yield source.SourcePage(answer, cursor)


def items(answer: source.Answer) -> list[source.Item]:
    """One item a figure; a revised figure is another event."""
    variable = answer.name.split()[1]
    indicator = settings().collectors.bps_variables.get(variable, f"bps-{variable}")
    table = answer.json()
    if not isinstance(table, dict):
        raise source.ShapeChanged("the answer is not an object")
    if table.get("data-availability") in ("list-not-available", "unavailable"):
        return []
    new = source.unknown_fields("bps", table)
    shared = source.without_missing(
        {
            "unit": source.rows_at(table, "var")[0].get("unit") or None,
            "released_at": jakarta_time(table.get("last_update"), "%Y-%m-%d %H:%M:%S"),
            "source": "bps",
        }
    )
    shared["event_time"] = shared.get("released_at")
    return [
        source.Item(source.row_id(name, period, value), source.without_missing(named | shared) | new)
        for name, period, value in figures(table, indicator)
        for named in ({"indicator": name, "period": period, "value": value},)
    ]


def figures(table: source.Payload, indicator: str) -> Iterator[tuple[str, str, Any]]:
    """(indicator, period, value) of every figure. Raises ShapeChanged when keys belong to no combination.

    A figure of a province or of a part of the variable carries its id: inflation:32, inflation:9999:2.
    """
    content = table.get("datacontent")
    if not isinstance(content, dict):
        raise source.ShapeChanged("'datacontent' is not an object")
    places, variables, parts, years, periods = (
        source.rows_at(table, name) for name in ("vervar", "var", "turvar", "tahun", "turtahun")
    )
    keys = set(content)
    for place, variable, part, year, period in product(places, variables, parts, years, periods):
        ids = [str(entry.get("val")) for entry in (place, variable, part, year, period)]
        key = "".join(ids)
        if key not in keys:
            continue
        keys.discard(key)
        names = [indicator]
        if ids[0] != NATION or ids[2] != WITHOUT_PARTS:
            names.append(ids[0])
        if ids[2] != WITHOUT_PARTS:
            names.append(ids[2])
        covered = period_of(year.get("label"), period.get("label"))
        yield ":".join(names), covered, source.number_of(content[key])
    if keys:
        raise source.ShapeChanged(f"{len(keys)} keys of 'datacontent' name no place, variable and period")


def period_of(year: Any, label: Any) -> str:
    """YYYY, YYYY-MM or YYYY-Qn; another label follows the year, and the stream refuses it."""
    text = str(label).strip().lower()
    if text in MONTHS:
        return f"{year}-{MONTHS.index(text) + 1:02d}"
    if text in QUARTERS:
        return f"{year}-Q{QUARTERS.index(text) + 1}"
    return str(year) if text in WHOLE_YEARS else f"{year} {label}"
