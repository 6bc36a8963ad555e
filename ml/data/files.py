"""Panels from files: of any format of conf/sources, of wide tables, or of one plain long table."""

import logging
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
from lakehouse.io.source_files.formats import format_of
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.io.source_files.unknown_names import UnknownNames
from lakehouse.reference import (
    commodities,
    commodity_aliases,
    markets,
    matching_key,
    region_aliases,
    slug,
    unit_aliases,
)
from lakehouse.times import parse_time
from ml.data.exogenous import read_folder
from ml.data.panel import NothingToLearn, Panel
from ml.data.sources import COLUMNS, panel_of_sources, two_sources

log = logging.getLogger("lumbung.files")
LONG_COLUMNS = ("date", "commodity", "region", "price")
BY_COLUMNS = "panelharga_wide"  # read by columns, in a tenth of the time of its events
PROVIDER_BY_COLUMNS = "panel-harga"  # that format's
UNKNOWN_PROVIDER = "market"  # of prices whose file names none
TEXTS = ("commodity", "region_code", "channel", "level", "provider", "unit")
SCHEMA = pa.schema(
    dict.fromkeys(TEXTS, pa.string()) | {"market_date": pa.date32(), "median_price_idr": pa.float64()}
)
GOLD_NAMES = {name: gold for gold, name in COLUMNS.items()}
ROW = [COLUMNS.get(name, name) for name in SCHEMA.names]
DAY = [name for name in SCHEMA.names if name not in ("unit", "median_price_idr")]


def read_files(place: Path, lag_days: int = 0) -> Panel:
    """Panel of a file, or of every CSV and text file below a folder.

    A file is of a format that has price events, or a wide table (first column Date, a column a region, the
    file name is the commodity), or a long table with the columns date, commodity, region, price and perhaps
    unit, in any order. Files of world prices and exchange rates become exogenous series. Two providers are
    never mixed into one series (`with_providers`).
    `lag_days`: publishing lag of the source. Raises ValueError for a file of no known shape,
    NothingToLearn for a folder without prices; the message has the reasons.
    """
    folder = place if place.is_dir() else None
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in (".csv", ".txt")) if folder else [place]
    tables = []
    of_events: list[tuple[Path, SourceFormat]] = []
    reasons = []
    for file in files:
        known = format_of(file)
        if isinstance(known, SourceFormat) and known.name != BY_COLUMNS:
            if any(event.kind == "price" for event in known.events):
                of_events.append((file, known))
        elif (table := _plain_table(file)) is not None:
            usual = PROVIDER_BY_COLUMNS if isinstance(known, SourceFormat) else UNKNOWN_PROVIDER
            more = {"channel": "retail", "level": "province", "provider": None, "usual_provider": usual}
            tables.append(table.assign(**more, **names_of_place(file, place)))
        elif not isinstance(known, SourceFormat):
            reasons.append(f"{file.name}: {known.reason}")
    if not tables and not of_events and folder is None:
        raise ValueError(f"{place} lacks the columns {', '.join(LONG_COLUMNS)}; no format fits: {reasons}")
    if not tables and not of_events:
        raise NothingToLearn(f"no file with prices at {place}\n" + "\n".join(reasons))
    names = UnknownNames()
    tables += [table for path, known in of_events if len(table := event_prices(path, place, known, names))]
    rows = with_providers(pd.concat(tables)) if tables else pd.DataFrame(columns=[*ROW])
    if names:
        log.warning("names that no reference list has; entries to complete and copy:\n%s", names.yaml())
    if of_events or rows["provider"].nunique() > 1:
        first, second = sources_of(rows)
    else:
        first, second = rows.drop(columns="provider"), rows[:0]
    source = {"folder" if folder else "file": str(place)}
    panel = panel_of_sources(first, second, source, lag_days)
    if folder is None:
        return panel
    return panel.with_exogenous((*panel.exogenous, *read_folder(folder, panel.days)))


def _plain_table(file: Path) -> pd.DataFrame | None:
    """Rows of a long or wide table by the names of its columns; None for another file."""
    columns = pd.read_csv(file, nrows=0, encoding_errors="replace").columns
    header = [name.strip().lower() for name in columns]
    if set(LONG_COLUMNS) <= set(header):
        return _long_table(file)
    # A file of quotes has the price or close of one instrument, not a price a region.
    is_wide = matching_key(header[0]) == "date" and not {"price", "close"} & set(header)
    return _wide_table(file) if is_wide else None


def _wide_table(file: Path) -> pd.DataFrame:
    wide = pd.read_csv(file, na_values=["-", ""])
    long = wide.melt(id_vars=wide.columns[0], var_name="region", value_name="price")
    return _with_ids(long.rename(columns={wide.columns[0]: "date"}).assign(commodity=file.stem))


def _long_table(file: Path) -> pd.DataFrame:
    rows = pd.read_csv(file, dtype=str)
    rows.columns = [name.strip().lower() for name in rows.columns]
    return _with_ids(rows.dropna(subset=["commodity", "region"]))


def _with_ids(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ids for names of the reference lists; other names become a slug."""
    known_regions = region_aliases()
    codes = {name: known_regions.get(matching_key(name)) or slug(name) for name in rows["region"].unique()}
    commodity = rows["commodity"].map({name: _commodity(name) for name in rows["commodity"].unique()})
    usual = commodity.map({name: entry.unit for name, entry in commodities().items()}).fillna("unit")
    unit = rows["unit"].fillna(usual) if "unit" in rows else usual
    price = pd.to_numeric(rows["price"], errors="coerce").astype("float64")
    date = pd.to_datetime(rows["date"], errors="coerce", format="ISO8601").dt.tz_localize(None).dt.normalize()
    region = rows["region"].map(codes)
    return pd.DataFrame(
        {"commodity": commodity, "region": region, "unit": unit, "date": date, "price": price}
    )


def names_of_place(file: Path, place: Path) -> dict[str, str]:
    """The file and its folder below the place that is read, as providers are written."""
    inner = file.relative_to(place) if file != place else Path(file.name)
    folder = str(inner.parent) if inner.parent.name else place.name
    return {"file": slug(str(inner.with_suffix(""))), "folder": slug(folder)}


def event_prices(path: Path, place: Path, known: SourceFormat, names: UnknownNames) -> pd.DataFrame:
    """The retail prices in the events of a file. Names that no list has are noted in `names`; their commodity
    and region are a slug."""
    prices = pd.DataFrame(list(_rows(FileEvents(path, known), names)), columns=ROW)
    more = names_of_place(path, place) | {"usual_provider": UNKNOWN_PROVIDER}
    return prices.astype({"date": "datetime64[ns]"}).assign(**more)


def with_providers(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a provider where their file names none.

    Files without one are of one provider, unless two of them have different prices of a series on a day: then
    each folder is one, and where files of one folder disagree each file.
    """
    unnamed = rows[rows["provider"].isna() & rows["price"].gt(0)]
    day = ["commodity", "region", "date"]

    def disagree(place: str, within: list[str]) -> bool:
        if unnamed[place].nunique() < 2:
            return False
        of_place = unnamed.groupby([*day, *within, place])["price"].median()
        return bool(of_place.groupby([*day, *within]).nunique().gt(1).any())

    places = [place for place, within in (("file", ["folder"]), ("folder", [])) if disagree(place, within)]
    usual = rows[places[0]] if places else rows["usual_provider"]
    return rows.assign(provider=rows["provider"].where(rows["provider"].notna(), usual))


def sources_of(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the source of each series, and of the second one: two providers are never mixed.

    As gold.daily_prices has them, the median of a day; see `two_sources`.
    """
    priced = rows[rows["price"].gt(0) & rows["date"].notna()].rename(columns=GOLD_NAMES)
    of_day = {"median_price_idr": ("median_price_idr", "median"), "unit": ("unit", "first")}
    days = priced.groupby(DAY, sort=False).agg(**of_day).reset_index()
    table = pa.Table.from_pandas(days[SCHEMA.names], SCHEMA, preserve_index=False)
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
        usual = listed.unit if listed else "unit"
        unit = payload.get("unit")
        yield {
            "commodity": commodity,
            "region": _region(payload, market),
            "channel": "retail",
            "level": "province" if market.startswith("PROV-") else "market",
            "provider": payload.get("provider"),
            "unit": (isinstance(unit, str) and unit_aliases().get(matching_key(unit))) or usual,
            "date": day,
            "price": float(price),
        }


def _region(payload: Mapping[str, object], market: str) -> str:
    listed = markets().get(market)
    code = region_code_of(payload.get("region")) or (listed.region_code if listed else None)
    return code or slug(str(payload.get("region") or market))


@lru_cache(maxsize=4096)
def _commodity(name: str) -> str:
    return commodity_aliases().get(matching_key(name)) or slug(name)


@lru_cache(maxsize=65536)
def _local_day(text: str, zone: str) -> date | None:
    moment = parse_time(text)
    return moment.astimezone(ZoneInfo(zone)).date() if moment else None
