"""Prices from files of any format of conf/sources or LUMBUNG_HOME/sources, as rows for a panel."""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from conf.settings import settings
from lakehouse.io.source_files.file_events import FileEvents
from lakehouse.io.source_files.file_rows import region_code_of, zone_of
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.io.source_files.unknown_names import UnknownNames
from lakehouse.reference import commodities, commodity_aliases, markets, matching_key, slug, unit_aliases
from lakehouse.times import parse_time
from ml.data.sources import two_sources

SCHEMA = pa.schema(
    [
        ("commodity", pa.string()),
        ("region_code", pa.string()),
        ("channel", pa.string()),
        ("level", pa.string()),
        ("provider", pa.string()),
        ("unit", pa.string()),
        ("market_date", pa.date32()),
        ("median_price_idr", pa.float64()),
    ]
)
DAY = [name for name in SCHEMA.names if name not in ("unit", "median_price_idr")]


def rows_of_events(
    files: list[tuple[Path, SourceFormat]], names: UnknownNames
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The retail prices of the files, one row a day: of the source of each series, and of the second one.

    As gold.daily_prices has them, the median of a day; see `two_sources`. Names that no list has are noted in
    `names`; their commodity and region are a slug.
    """
    prices = pd.DataFrame(
        [row for path, known in files for row in _rows(FileEvents(path, known), names)], columns=SCHEMA.names
    )
    of_day = {"median_price_idr": ("median_price_idr", "median"), "unit": ("unit", "first")}
    days = prices.groupby(DAY, sort=False).agg(**of_day)
    table = pa.Table.from_pandas(days.reset_index()[SCHEMA.names], SCHEMA, preserve_index=False)
    return two_sources(table, settings().lake.providers)


def _rows(file: FileEvents, names: UnknownNames) -> Iterator[dict[str, object]]:
    for row in file.rows():
        payload = row.payload
        if row.kind != "price" or payload is None:
            continue
        names.note(row.kind, payload)
        price = payload.get("price")
        day = _local_day(str(payload.get("event_time")), zone_of(payload))
        if payload.get("channel", "retail") != "retail" or not isinstance(price, int | float) or day is None:
            continue
        commodity = _commodity(str(payload.get("commodity")))
        market = str(payload.get("market_id"))
        listed = commodities().get(commodity)
        yield {
            "commodity": commodity,
            "region_code": _region(payload, market),
            "channel": "retail",
            "level": "province" if market.startswith("PROV-") else "market",
            "provider": payload.get("provider", "market"),
            "unit": _unit(payload.get("unit")) or (listed.unit if listed else "unit"),
            "market_date": day,
            "median_price_idr": float(price),
        }


def _region(payload: Mapping[str, object], market: str) -> str:
    listed = markets().get(market)
    code = region_code_of(payload.get("region")) or (listed.region_code if listed else None)
    return code or slug(str(payload.get("region") or market))


def _unit(name: object) -> str | None:
    return unit_aliases().get(matching_key(name)) if isinstance(name, str) else None


@lru_cache(maxsize=4096)
def _commodity(name: str) -> str:
    return commodity_aliases().get(matching_key(name)) or slug(name)


@lru_cache(maxsize=65536)
def _local_day(text: str, zone: str) -> date | None:
    moment = parse_time(text)
    return moment.astimezone(ZoneInfo(zone)).date() if moment else None
