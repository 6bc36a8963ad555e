"""Panels from where prices lie: gold.daily_prices of a lake, a folder of wide files, a long CSV."""

from pathlib import Path

import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse.paths import table_path
from ml.outside import of_lake
from ml.panel import NothingToLearn, Panel
from ml.panel_files import long_csv, wide_folder
from ml.panel_rows import panel_of

COLUMNS = {"commodity": "commodity", "region_code": "region", "unit": "unit", "market_date": "date", "median_price_idr": "price"}


def daily_prices(root: str, lag_days: int = 0) -> Panel:
    """Retail prices of gold.daily_prices below the lake `root`, with silver.macro and silver.weather where they stand.

    A commodity in a province is one series: of its levels (markets, province) the one with more days, never both mixed.
    `lag_days`: publishing lag of the source. Raises NothingToLearn while there is no such table or no retail price in it.
    """
    path = table_path(root, "gold.daily_prices")
    if not DeltaTable.is_deltatable(path):
        raise NothingToLearn(f"no table gold.daily_prices in {root}")
    table = DeltaTable(path)
    retail = table.to_pyarrow_dataset().to_table(columns=[*COLUMNS, "level"], filter=pc.field("channel") == "retail")
    rows = retail.to_pandas().rename(columns=COLUMNS)
    if rows.empty:
        raise NothingToLearn(f"gold.daily_prices in {root} holds no retail price")
    count = rows.groupby(["commodity", "region", "level"]).size().reset_index(name="days_reported")
    longest = count.sort_values(["days_reported", "level"], ascending=[False, True]).drop_duplicates(["commodity", "region"])
    rows = rows.merge(longest, on=["commodity", "region", "level"])
    rows["date"] = rows["date"].astype("datetime64[ns]")
    panel = panel_of(rows, {"table": "gold.daily_prices", "version": table.version()}, lag_days)
    return panel.beside(of_lake(root, panel.days, panel.regions))


def read(place: str | Path, lag_days: int = 0) -> Panel:
    """A lake's root, a folder of wide files or a long CSV, told apart by what is there. Raises NothingToLearn, ValueError."""
    path = Path(place)
    if "://" in str(place) or (path / "gold").is_dir():
        return daily_prices(str(place), lag_days)
    if path.is_file():
        return long_csv(path, lag_days)
    return wide_folder(path, lag_days)


def described(panel: Panel) -> dict[str, object]:
    """What goes on record about a panel beside its figures."""
    first, last = (str(day) for day in (panel.days[0], panel.days[-1]))
    return {"series": len(panel.commodities), "goods": len(panel.goods), "first_day": first, "last_day": last, **panel.source}


__all__ = ["daily_prices", "described", "long_csv", "read", "wide_folder"]
