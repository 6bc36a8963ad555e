"""Panels from files: a folder of wide tables (one file a commodity, one column a region) or one long CSV."""

import re
from pathlib import Path

import pandas as pd

from lakehouse.reference import commodities, commodity_aliases, matching_key, region_aliases
from ml.data.exogenous import read_folder
from ml.data.from_rows import panel_from_rows
from ml.data.panel import NothingToLearn, Panel

LONG_COLUMNS = ("date", "commodity", "region", "price")


def read_wide_folder(folder: Path, lag_days: int = 0) -> Panel:
    """Panel of every CSV below `folder` whose first column is Date and whose other columns are regions.

    The file name is the commodity. Files of world prices and exchange rates become exogenous series.
    `lag_days`: publishing lag of the source. Raises NothingToLearn when there is no such file.
    """
    frames = []
    for file in sorted(folder.rglob("*.csv")):
        header = pd.read_csv(file, nrows=0).columns
        if matching_key(header[0]) != "date" or is_quote_file(header):
            continue
        wide = pd.read_csv(file, na_values=["-", ""])
        long = wide.melt(id_vars=wide.columns[0], var_name="region", value_name="price")
        long = long.rename(columns={wide.columns[0]: "date"})
        frames.append(long.assign(commodity=file.stem))
    if not frames:
        raise NothingToLearn(f"no file with a column Date and regions across below {folder}")
    panel = panel_from_rows(_with_ids(pd.concat(frames)), {"folder": str(folder)}, lag_days)
    return panel.with_exogenous(read_folder(folder, panel.days))


def read_long_csv(file: Path, lag_days: int = 0) -> Panel:
    """Panel of a CSV with the columns date, commodity, region, price and perhaps unit, in any order.

    `lag_days`: publishing lag of the source. Raises ValueError when a column is missing.
    """
    rows = pd.read_csv(file, dtype=str)
    rows.columns = [name.strip().lower() for name in rows.columns]
    if missing := set(LONG_COLUMNS) - set(rows.columns):
        raise ValueError(f"{file} lacks the columns {', '.join(sorted(missing))}")
    rows = rows.dropna(subset=["commodity", "region"])
    return panel_from_rows(_with_ids(rows), {"file": str(file)}, lag_days)


def is_quote_file(header: pd.Index) -> bool:
    """Whether a file holds quotes (price or close of one instrument), not one price a region."""
    return bool({"price", "close"} & {name.lower() for name in header})


def _with_ids(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ids for names of the reference lists; other names become a slug."""
    known_commodities = commodity_aliases()
    known_regions = region_aliases()
    ids = {
        name: known_commodities.get(matching_key(name)) or _slug(name) for name in rows["commodity"].unique()
    }
    codes = {name: known_regions.get(matching_key(name)) or _slug(name) for name in rows["region"].unique()}
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


def _slug(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-") or "unnamed"
