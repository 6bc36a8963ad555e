"""Panels from files: of any format of conf/sources, of wide tables, or of one plain long table."""

import logging
from pathlib import Path

import pandas as pd

from lakehouse.io.source_files.formats import format_of
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.io.source_files.unknown_names import UnknownNames
from lakehouse.reference import commodities, commodity_aliases, matching_key, region_aliases, slug
from ml.data.exogenous import read_folder
from ml.data.panel import NothingToLearn, Panel
from ml.data.price_events import rows_of_events
from ml.data.sources import panel_of_sources

log = logging.getLogger("lumbung.files")
LONG_COLUMNS = ("date", "commodity", "region", "price")
BY_COLUMNS = "panelharga_wide"  # read by columns, in a tenth of the time of its events


def read_files(place: Path, lag_days: int = 0) -> Panel:
    """Panel of a file, or of every CSV and text file below a folder.

    A file is of a format that has price events, or a wide table (first column Date, a column a region, the
    file name is the commodity), or a long table with the columns date, commodity, region, price and perhaps
    unit, in any order. Files of world prices and exchange rates become exogenous series.
    `lag_days`: publishing lag of the source. Raises ValueError for a file of no known shape,
    NothingToLearn for a folder without prices; the message has the reasons.
    """
    folder = place if place.is_dir() else None
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in (".csv", ".txt")) if folder else [place]
    frames = []
    second = pd.DataFrame({"date": [], "price": []})
    of_events: list[tuple[Path, SourceFormat]] = []
    reasons = []
    for file in files:
        known = format_of(file)
        if isinstance(known, SourceFormat) and known.name != BY_COLUMNS:
            if any(event.kind == "price" for event in known.events):
                of_events.append((file, known))
        elif (table := _plain_table(file)) is not None:
            frames.append(table)
        elif not isinstance(known, SourceFormat):
            reasons.append(f"{file.name}: {known.reason}")
    if of_events:
        names = UnknownNames()
        first, second = rows_of_events(of_events, names)
        frames.append(first)
        if names:
            log.warning("names that no reference list has; entries to complete and copy:\n%s", names.yaml())
    if not frames and folder is None:
        raise ValueError(f"{place} lacks the columns {', '.join(LONG_COLUMNS)}; no format fits: {reasons}")
    if not frames:
        raise NothingToLearn(f"no file with prices at {place}\n" + "\n".join(reasons))
    source = {"folder" if folder else "file": str(place)}
    panel = panel_of_sources(pd.concat(frames), second, source, lag_days)
    if folder is None:
        return panel
    return panel.with_exogenous((*panel.exogenous, *read_folder(folder, panel.days)))


def _plain_table(file: Path) -> pd.DataFrame | None:
    """Rows of a long or wide table by the names of its columns; None for another file."""
    columns = pd.read_csv(file, nrows=0, encoding_errors="replace").columns
    header = [name.strip().lower() for name in columns]
    if set(LONG_COLUMNS) <= set(header):
        return _long_table(file)
    if matching_key(header[0]) == "date" and not is_quote_file(header):
        return _wide_table(file)
    return None


def _wide_table(file: Path) -> pd.DataFrame:
    wide = pd.read_csv(file, na_values=["-", ""])
    long = wide.melt(id_vars=wide.columns[0], var_name="region", value_name="price")
    return _with_ids(long.rename(columns={wide.columns[0]: "date"}).assign(commodity=file.stem))


def _long_table(file: Path) -> pd.DataFrame:
    rows = pd.read_csv(file, dtype=str)
    rows.columns = [name.strip().lower() for name in rows.columns]
    return _with_ids(rows.dropna(subset=["commodity", "region"]))


def is_quote_file(header: list[str]) -> bool:
    """Whether a file holds quotes (price or close of one instrument), not one price a region."""
    return bool({"price", "close"} & set(header))


def _with_ids(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ids for names of the reference lists; other names become a slug."""
    known_commodities = commodity_aliases()
    known_regions = region_aliases()
    ids = {
        name: known_commodities.get(matching_key(name)) or slug(name) for name in rows["commodity"].unique()
    }
    codes = {name: known_regions.get(matching_key(name)) or slug(name) for name in rows["region"].unique()}
    commodity = rows["commodity"].map(ids)
    usual = commodity.map({name: entry.unit for name, entry in commodities().items()}).fillna("unit")
    unit = rows["unit"].fillna(usual) if "unit" in rows else usual
    price = pd.to_numeric(rows["price"], errors="coerce").astype("float64")
    date = pd.to_datetime(rows["date"], errors="coerce", format="ISO8601").dt.tz_localize(None).dt.normalize()
    return pd.DataFrame(
        {
            "commodity": commodity,
            "region": rows["region"].map(codes),
            "unit": unit,
            "date": date,
            "price": price,
        }
    )
