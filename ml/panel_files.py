"""Panels from files: a folder of wide matrices (one file a commodity, one column a region) or one long CSV. Any names will do."""

import re
from pathlib import Path

import pandas as pd

from lakehouse.reference import commodities, commodity_aliases, matching_key, region_aliases
from ml.outside import of_folder
from ml.panel import NothingToLearn, Panel
from ml.panel_rows import panel_of

LONG = ("date", "commodity", "region", "price")


def wide_folder(folder: Path, lag_days: int = 0) -> Panel:
    """Every CSV below `folder` with a Date column first and regions across; files of world prices and rates become `outside`.

    Raises NothingToLearn when there is none.
    """
    frames = []
    for file in sorted(folder.rglob("*.csv")):
        header = pd.read_csv(file, nrows=0).columns
        if matching_key(header[0]) != "date" or of_market(header):
            continue
        wide = pd.read_csv(file, na_values=["-", ""])
        long = wide.melt(id_vars=wide.columns[0], var_name="region", value_name="price").rename(columns={wide.columns[0]: "date"})
        frames.append(long.assign(commodity=file.stem))
    if not frames:
        raise NothingToLearn(f"no file with a column Date and regions across below {folder}")
    panel = panel_of(_named(pd.concat(frames)), {"folder": str(folder)}, lag_days)
    return panel.beside(of_folder(folder, panel.days))


def long_csv(file: Path, lag_days: int = 0) -> Panel:
    """A CSV with the columns date, commodity, region, price and perhaps unit, in any order. Raises ValueError for another."""
    rows = pd.read_csv(file, dtype=str)
    rows.columns = [name.strip().lower() for name in rows.columns]
    if missing := set(LONG) - set(rows.columns):
        raise ValueError(f"{file} lacks the columns {', '.join(sorted(missing))}")
    return panel_of(_named(rows.dropna(subset=["commodity", "region"])), {"file": str(file)}, lag_days)


def of_market(header: pd.Index) -> bool:
    """Whether a file holds quotes (price or close of one thing), not one price a region."""
    return bool({"price", "close"} & {name.lower() for name in header})


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Names in the reference lists become their ids; others keep theirs, as a slug."""
    goods, places = commodity_aliases(), region_aliases()
    good = {name: goods.get(matching_key(name)) or _slug(name) for name in rows["commodity"].unique()}
    place = {name: places.get(matching_key(name)) or _slug(name) for name in rows["region"].unique()}
    commodity = rows["commodity"].map(good)
    own = commodity.map({name: good.unit for name, good in commodities().items()}).fillna("unit")
    unit = rows["unit"].fillna(own) if "unit" in rows else own
    price = pd.to_numeric(rows["price"], errors="coerce").astype("float64")
    date = pd.to_datetime(rows["date"], errors="coerce", format="ISO8601").dt.tz_localize(None).dt.normalize()
    return pd.DataFrame({"commodity": commodity, "region": rows["region"].map(place), "unit": unit, "date": date, "price": price})


def _slug(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-") or "unnamed"
