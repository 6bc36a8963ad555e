"""The source that a series is taken from, and the second one: another provider of the same series.

The second is never mixed into the prices. It is an exogenous series that features compare them with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse.gold.chosen_provider import CURRENT_DAYS, chosen_rows
from ml.data.from_rows import panel_from_rows
from ml.data.panel import SECOND_PRICE, ExogenousSeries, Panel

SERIES = ["commodity", "region"]


COLUMNS = {"region_code": "region", "market_date": "date", "median_price_idr": "price"}


def of_longer_level(rows: pd.DataFrame, longest: bool = False) -> pd.DataFrame:
    """The rows of one level of each commodity and region: the one with more days, of equals the markets.

    A level whose last price is more than CURRENT_DAYS older than the newest of the series has ended. It is
    taken only where no other one is reported: an archive must not replace what is reported now. `longest`:
    it is taken by its days alone.
    """
    rows = rows.assign(date=rows["date"].astype("datetime64[ns]"))
    levels = rows.groupby([*SERIES, "level"])["date"].agg(reported="size", last="max").reset_index()
    age = levels.groupby(SERIES)["last"].transform("max") - levels["last"]
    levels["has_ended"] = (age > pd.Timedelta(days=CURRENT_DAYS)) & (not longest)
    ordered = levels.sort_values(["has_ended", "reported", "level"], ascending=[True, False, True])
    return rows.merge(ordered.drop_duplicates(SERIES)[[*SERIES, "level"]], on=[*SERIES, "level"])


def two_sources(
    daily: pa.Table, priority: Sequence[str] = (), longest: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows of the source of each commodity and region, rows of the second one where there is another).

    `daily`: rows of gold.daily_prices. A source is one provider at one level, markets or province: of each
    level the chosen provider (lakehouse.gold.chosen_provider), then one level. The second is chosen
    alike among the rows of the other providers. `longest`: by days alone, also where a source has ended.
    """
    first = _source(daily, priority, longest)
    if len(daily["provider"].unique()) == 1:
        return first, first[:0]
    key = [*SERIES, "provider"]
    taken = pd.MultiIndex.from_frame(first[key].drop_duplicates().astype(str))
    offered = daily.select(["commodity", "region_code", "provider"]).to_pandas().rename(columns=COLUMNS)
    others = ~pd.MultiIndex.from_frame(offered[key].astype(str)).isin(taken)
    return first, _source(daily.filter(pa.array(others)), priority, longest)


def _source(daily: pa.Table, priority: Sequence[str], longest: bool) -> pd.DataFrame:
    chosen = chosen_rows(daily, priority, longest=longest)
    return of_longer_level(chosen.to_pandas().rename(columns=COLUMNS), longest)


def panel_of_sources(
    first: pd.DataFrame, second: pd.DataFrame, source: dict[str, Any], lag_days: int = 0
) -> Panel:
    """Panel of the first rows; what the second ones add is its exogenous series SECOND_PRICE, if anything.

    Raises ValueError when no first row holds a date and a price above 0.
    """
    panel = panel_from_rows(first, source, lag_days)
    usable = second["date"].notna() & (second["price"] > 0)
    return with_second_source(panel, panel_from_rows(second, {}, lag_days)) if usable.any() else panel


def with_second_source(panel: Panel, other: Panel) -> Panel:
    """The panel with the other one's prices as SECOND_PRICE, on the days on which they were known."""
    price = other.reindex(panel.series).price
    column = (panel.days - other.days[0]).astype(int)
    within = (column >= 0) & (column < len(other.days))
    value = np.full(panel.price.shape, np.nan)
    value[:, within] = price[:, column[within]]
    if not np.isfinite(value).any():
        return panel
    return panel.with_exogenous((*panel.exogenous, ExogenousSeries(SECOND_PRICE, "IDR", value)))
