"""Forecasts as they were issued, each with the price that followed."""

from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

import pyarrow.compute as pc

from serving_api.http.cursors import Key
from serving_api.reads.dashboard.daily_figures import Figures, chosen_level
from serving_api.reads.keyset import next_rows
from serving_api.reads.names import NATION
from serving_api.reads.responses import KeyedItem, to_json_value
from serving_api.reads.snapshots import Snapshot

DEFAULT_DAYS = 90
ORDER = (("issued_at", "descending"), ("model", "ascending"), ("horizon_days", "ascending"))
COLUMNS = (
    "issued_at",
    "origin_date",
    "target_date",
    "horizon_days",
    "model",
    "champion",
    "price_idr",
    "lower_80_idr",
    "upper_80_idr",
)
Actuals = dict[date, float]


def issued_rows(
    snapshot: Snapshot,
    commodity: str,
    region_code: str,
    model: str | None,
    first: datetime | None,
    actuals: Actuals,
    key: Key | None,
    count: int,
) -> list[KeyedItem]:
    """Up to `count` (sort key, item) after `key`, newest issue first. `model`: None for the champion then."""
    if snapshot.delta is None:
        return []
    since = first or ((snapshot.newest or datetime.max) - timedelta(days=DEFAULT_DAYS))
    condition = (
        (pc.field("commodity") == commodity)
        & (pc.field("region_code") == region_code)
        & (pc.field("issued_at") >= since)
        & (pc.field("champion") if model is None else pc.field("model") == model)
    )
    rows = snapshot.read(condition, COLUMNS)
    return [(sort_key, issued_item(row, actuals)) for sort_key, row in next_rows(rows, ORDER, key, count)]


def issued_item(row: dict[str, Any], actuals: Actuals) -> dict[str, Any]:
    """A forecast with the price of its day and whether the interval of 80 % held it."""
    actual = actuals.get(row["target_date"])
    lower, upper = row["lower_80_idr"], row["upper_80_idr"]
    return {
        "issued_at": to_json_value(row["issued_at"]),
        "issued_on": row["issued_at"].date().isoformat(),
        "origin_date": row["origin_date"].isoformat(),
        "target_date": row["target_date"].isoformat(),
        "horizon_days": row["horizon_days"],
        "price_idr": round(row["price_idr"], 2),
        "lower_idr": round(lower, 2),
        "upper_idr": round(upper, 2),
        "actual_idr": actual,
        "inside": None if actual is None else lower <= actual <= upper,
        "model": row["model"],
    }


def actual_prices(figures: Figures, commodity: str, region_code: str) -> Actuals:
    """Market day -> price of the province; of the nation the median over the provinces, as it is forecast."""
    condition = pc.scalar(True) if region_code == NATION[0] else pc.field("region_code") == region_code
    rows = figures.rows(condition, ("level", "market_date", "median_price_idr"), [commodity])
    if not rows.num_rows:
        return {}
    prices: dict[date, list[float]] = {}
    of_level = rows.filter(pc.field("level") == chosen_level(rows))
    for day, price in zip(
        of_level["market_date"].to_pylist(), of_level["median_price_idr"].to_pylist(), strict=True
    ):
        prices.setdefault(day, []).append(price)
    return {day: median(values) for day, values in prices.items()}
