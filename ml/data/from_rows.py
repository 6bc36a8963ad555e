"""A panel from long rows of prices: days without gaps, cleaned, with counts of what was removed."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from ml.data.cleaning import carried_weekends, days_after_outage
from ml.data.panel import Panel


def panel_from_rows(rows: pd.DataFrame, source: dict[str, Any], lag_days: int = 0) -> Panel:
    """Panel of rows commodity, region, unit, date, price (rupiah), and perhaps provider.

    Several prices of a series on one day become their median. Carried weekend prices and the days after an
    outage are removed (ml.data.cleaning). `source` is where the rows came from and is kept with the panel,
    with counts of what was removed. `lag_days`: days from a market day to its publication; a price is in the
    column of the day it is known. Raises ValueError when no row holds a date and a price above 0.
    """
    usable = rows["date"].notna() & np.isfinite(rows["price"]) & (rows["price"] > 0)
    kept = rows[usable]
    if kept.empty:
        raise ValueError("no row with a date and a price above 0")
    series_key = ["commodity", "region"]
    wide = kept.pivot_table(index=series_key, columns="date", values="price", aggfunc="median", sort=True)
    wide.columns = pd.DatetimeIndex(wide.columns)
    wide = wide.reindex(columns=pd.date_range(wide.columns[0], wide.columns[-1], freq="D"))
    unit_of = kept.groupby(series_key)["unit"].agg("first")
    days = wide.columns.to_numpy().astype("datetime64[D]")
    price = wide.to_numpy(dtype=np.float64, copy=True)
    commodities = tuple(str(commodity) for commodity, _ in wide.index)
    regions = tuple(str(region) for _, region in wide.index)
    units = tuple(str(unit_of[key]) for key in wide.index)
    carried = carried_weekends(price, days, regions)
    price[carried] = np.nan
    unreliable = days_after_outage(price)
    cells_after_outage = int(np.isfinite(price[:, unreliable]).sum())
    price[:, unreliable] = np.nan
    providers: tuple[str, ...] = ()
    if "provider" in kept:
        provider_of = (
            kept.assign(provider=kept["provider"].fillna("")).groupby(series_key)["provider"].first()
        )
        providers = tuple(str(provider_of[key]) for key in wide.index)
    names = repr((commodities, regions, str(days[0]), lag_days)).encode()
    counts = {
        "rows": len(kept),
        "rows_dropped": int((~usable).sum()),
        "weekend_cells_carried": int(carried.sum()),
        "days_after_outage": [str(day) for day in days[unreliable]],
        "cells_after_outage": cells_after_outage,
        "lag_days": lag_days,
        "fingerprint": hashlib.blake2b(names + price.tobytes(), digest_size=16).hexdigest(),
    }
    return Panel(commodities, regions, units, days + lag_days, price, (), source | counts, providers)
