"""Daily prices of a commodity in columns: a row per province, an element per calendar day."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.reference import commodities
from serving_api.reads.dashboard.daily_figures import LEVEL_DAYS, Figures, chosen_level

DEFAULT_DAYS = 365
MOST_DAYS = 2000
COLUMNS = (
    "level",
    "region_code",
    "region",
    "market_date",
    "median_price_idr",
    "national_price_idr",
    "reference_price_idr",
)
Floats = npt.NDArray[np.float64]


def read_series(figures: Figures, commodity: str, first: date, last: date) -> dict[str, Any]:
    """The columns of the days from `first` to `last`; a day without a report is null."""
    day = pc.field("market_date")
    with_week = figures.rows((day > first - timedelta(days=LEVEL_DAYS)) & (day <= last), COLUMNS, [commodity])
    rows = with_week.filter(day >= first)
    item: dict[str, Any] = {
        "commodity": commodity,
        "name": commodities()[commodity].name,
        "unit": commodities()[commodity].unit,
        "level": None,
        "dates": [],
        "regions": [],
        "price_idr": [],
        "national": [],
        "reference_idr": [],
    }
    if rows.num_rows:
        level = chosen_level(with_week)
        shown = rows.filter(pc.field("level") == level)
        item |= {"level": level, **columns_of(shown)} if shown.num_rows else {}
    return item


def columns_of(rows: pa.Table) -> dict[str, Any]:
    """Dates, provinces and matrices from the first to the last day with a price."""
    day = rows["market_date"].cast(pa.int32()).to_numpy()
    first = int(day.min())
    count = int(day.max()) - first + 1
    codes, row_of = np.unique(rows["region_code"].to_numpy(zero_copy_only=False), return_inverse=True)
    names = dict(zip(rows["region_code"].to_pylist(), rows["region"].to_pylist(), strict=True))
    price = np.full((len(codes), count), np.nan)
    price[row_of, day - first] = rows["median_price_idr"].to_numpy(zero_copy_only=False)
    national = np.full(count, np.nan)
    national[day - first] = rows["national_price_idr"].to_numpy(zero_copy_only=False)
    start = date(1970, 1, 1) + timedelta(days=first)
    return {
        "dates": [(start + timedelta(days=step)).isoformat() for step in range(count)],
        "regions": [{"code": code, "name": names[code]} for code in codes.tolist()],
        "price_idr": [without_nan(series) for series in price],
        "national": without_nan(national),
        "reference_idr": without_nan(reference_by_day(rows, day - first, count)),
    }


def reference_by_day(rows: pa.Table, offset: npt.NDArray[np.integer], count: int) -> Floats:
    """The median over the provinces of their reference price on each day; NaN where none has one."""
    reference = rows["reference_price_idr"].to_numpy(zero_copy_only=False).astype(np.float64)
    medians = np.full(count, np.nan)
    known = np.isfinite(reference)
    for day in np.unique(offset[known]):
        medians[day] = np.median(reference[known & (offset == day)])
    return medians


def without_nan(values: Floats) -> list[float | None]:
    """The values as JSON holds them, to a tenth of a rupiah."""
    return [None if np.isnan(value) else round(float(value), 1) for value in values]
