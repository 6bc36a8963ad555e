"""Long rows of prices -> a panel: days without gap, what is no observation taken out, figures that tell where it came from."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from ml.panel import Panel
from ml.panel_rules import carried_weekends, unsettled


def panel_of(rows: pd.DataFrame, source: dict[str, Any], lag_days: int = 0) -> Panel:
    """Rows commodity, region, unit, date, price (rupiah) -> panel. Several prices of a cell: their median.

    `lag_days`: days after its market day on which the source publishes; a price stands in the column of the day it is known.
    Raises ValueError when no row holds a date and a price above 0.
    """
    good = rows["date"].notna() & np.isfinite(rows["price"]) & (rows["price"] > 0)
    kept = rows[good]
    if kept.empty:
        raise ValueError("no row with a date and a price above 0")
    wide = kept.pivot_table(index=["commodity", "region"], columns="date", values="price", aggfunc="median", sort=True)
    wide.columns = pd.DatetimeIndex(wide.columns)
    wide = wide.reindex(columns=pd.date_range(wide.columns[0], wide.columns[-1], freq="D"))
    unit_of = kept.groupby(["commodity", "region"])["unit"].agg("first")
    days = wide.columns.to_numpy().astype("datetime64[D]")
    price = wide.to_numpy(dtype=np.float64, copy=True)
    regions = tuple(str(region) for _, region in wide.index)
    carried = carried_weekends(price, days, regions)
    price[carried] = np.nan
    doubtful = unsettled(price)
    cells_after_outage = int(np.isfinite(price[:, doubtful]).sum())
    price[:, doubtful] = np.nan
    told = {
        "rows": len(kept),
        "rows_dropped": int((~good).sum()),
        "weekend_cells_carried": int(carried.sum()),
        "days_after_outage": [str(day) for day in days[doubtful]],
        "cells_after_outage": cells_after_outage,
        "lag_days": lag_days,
    }
    commodities = tuple(str(good) for good, _ in wide.index)
    units = tuple(str(unit_of[key]) for key in wide.index)
    seen = hashlib.blake2b(repr((commodities, regions, str(days[0]), lag_days)).encode() + price.tobytes(), digest_size=16)
    return Panel(commodities, regions, units, days + lag_days, price, (), source | told | {"fingerprint": seen.hexdigest()})
