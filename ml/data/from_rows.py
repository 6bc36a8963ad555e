"""A panel from long rows of prices: days without gaps, cleaned, with counts of what was removed."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.panel import Days, Floats, Panel

REGULAR_DAYS = 90  # of reporting before a silence counts as an outage
OUTAGE_DAYS = 14  # silent days; a long holiday is shorter
SILENT = 0.2  # share of the series that usually report: with fewer, the day is silent
FROZEN = 0.2  # weekend prices change at most this often, relative to weekday prices
ENOUGH_PAIRS = 100  # pairs of neighbouring days before weekends are called frozen


def days_after_outage(price: Floats) -> npt.NDArray[np.bool_]:
    """(days,) True on the days after an outage of the whole source, for half as many days as it lasted.

    Reports are then few, wrong or estimated. `price`: (series, days), NaN where nobody reported. The result
    for a day depends on that day and earlier ones only.
    """
    reports = np.isfinite(price).sum(axis=0)
    affected = np.zeros(len(reports), dtype=bool)
    usual = 0
    silent = 0
    for day, count in enumerate(reports):
        if day >= REGULAR_DAYS and count < SILENT * usual:
            silent += 1
            continue
        if silent >= OUTAGE_DAYS:
            affected[day : day + silent // 2] = True
        silent = 0
        usual = int(np.median(reports[max(day - REGULAR_DAYS, 0) : day + 1]))
    return affected


def carried_weekends(price: Floats, days: Days, regions: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """(series, days) True on weekend days that repeat the day before, where the source does so as a rule.

    `price`: (series, days); `regions`: region of each series. The rule is what the days so far show, so the
    result for a day depends on that day and earlier ones only.
    """
    weekend = np.isin((days.astype(np.int64) + 3) % 7, (5, 6))  # 1970-01-01 was a Thursday
    both = np.isfinite(price[:, 1:]) & np.isfinite(price[:, :-1])
    moved = both & (price[:, 1:] != price[:, :-1])
    carried = np.zeros(price.shape, dtype=bool)
    carried[:, 1:] = both & ~moved & weekend[1:]
    for region in sorted(set(regions)):
        rows = np.flatnonzero(np.array(regions) == region)
        pairs = [np.cumsum((both[rows] & (weekend[1:] == kind)).sum(axis=0)) for kind in (True, False)]
        moves = [np.cumsum((moved[rows] & (weekend[1:] == kind)).sum(axis=0)) for kind in (True, False)]
        frozen = (np.minimum(*pairs) >= ENOUGH_PAIRS) & (moves[0] * pairs[1] <= FROZEN * moves[1] * pairs[0])
        carried[np.ix_(rows, np.flatnonzero(np.r_[True, ~frozen]))] = False
    return carried


def panel_from_rows(rows: pd.DataFrame, source: dict[str, Any], lag_days: int = 0) -> Panel:
    """Panel of rows commodity, region, unit, date, price (rupiah), and perhaps provider.

    Several prices of a series on one day become their median. Carried weekend prices and the days after an
    outage are removed (ml.data.from_rows). `source` is where the rows came from and is kept with the panel,
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
    named = kept.reindex(columns=[*series_key, "unit", "provider"]).fillna({"provider": ""})
    named = named.groupby(series_key).first().loc[wide.index].astype(str)
    days = wide.columns.to_numpy().astype("datetime64[D]")
    price = wide.to_numpy(dtype=np.float64, copy=True)
    commodities = tuple(str(commodity) for commodity, _ in wide.index)
    regions = tuple(str(region) for _, region in wide.index)
    units = tuple(named["unit"])
    carried = carried_weekends(price, days, regions)
    price[carried] = np.nan
    unreliable = days_after_outage(price)
    cells_after_outage = int(np.isfinite(price[:, unreliable]).sum())
    price[:, unreliable] = np.nan
    providers = tuple(named["provider"]) if "provider" in kept else ()
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
