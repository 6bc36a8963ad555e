"""Panels from where prices are kept: a lake's gold.daily_prices, a folder of wide files, a long CSV."""

from pathlib import Path

import pyarrow.compute as pc

from lakehouse.io.delta import open_if_exists
from ml.data.exogenous import read_lake
from ml.data.files import read_long_csv, read_wide_folder
from ml.data.from_rows import panel_from_rows
from ml.data.panel import NothingToLearn, Panel

# Column of gold.daily_prices -> column of ml.data.from_rows.
COLUMNS = {
    "commodity": "commodity",
    "region_code": "region",
    "unit": "unit",
    "market_date": "date",
    "median_price_idr": "price",
}


def daily_prices(root: str, lag_days: int = 0) -> Panel:
    """Panel of the retail prices of gold.daily_prices in the lake `root`, with macro and weather series.

    A commodity in a province is one series. It is taken from the level (markets or province) that has more
    days; levels are never mixed. `lag_days`: publishing lag of the source. Raises NothingToLearn while the
    table is missing or holds no retail price.
    """
    table = open_if_exists("gold.daily_prices", root=root)
    if table is None:
        raise NothingToLearn(f"no table gold.daily_prices in {root}")
    retail = pc.field("channel") == "retail"
    columns = [*COLUMNS, "level"]
    rows = table.to_pyarrow_dataset().to_table(columns=columns, filter=retail).to_pandas()
    rows = rows.rename(columns=COLUMNS)
    if rows.empty:
        raise NothingToLearn(f"gold.daily_prices in {root} holds no retail price")
    count = rows.groupby(["commodity", "region", "level"]).size().reset_index(name="days_reported")
    ordered = count.sort_values(["days_reported", "level"], ascending=[False, True])
    rows = rows.merge(ordered.drop_duplicates(["commodity", "region"]), on=["commodity", "region", "level"])
    rows["date"] = rows["date"].astype("datetime64[ns]")
    panel = panel_from_rows(rows, {"table": "gold.daily_prices", "version": table.version()}, lag_days)
    return panel.with_exogenous(read_lake(root, panel.days, panel.regions))


def read_panel(place: str | Path, lag_days: int = 0) -> Panel:
    """Panel of a lake's root, of a folder of wide files or of a long CSV, whichever `place` is.

    Raises NothingToLearn when there is no price, ValueError for a file of another shape.
    """
    path = Path(place)
    if "://" in str(place) or (path / "gold").is_dir():
        return daily_prices(str(place), lag_days)
    if path.is_file():
        return read_long_csv(path, lag_days)
    return read_wide_folder(path, lag_days)
