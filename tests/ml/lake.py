"""A small gold.daily_prices, written as the stream writes it."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.reference import commodities, provinces
from ml.panel import Panel
from ml.tables import path_of

TABLE = "gold.daily_prices"


def row(good: str, region: str, day: date, idr: float) -> dict[str, Any]:
    """One market day of a province's own figure."""
    listed, place = commodities().get(good), provinces().get(region)
    prices = dict.fromkeys(("min_price_idr", "median_price_idr", "mean_price_idr", "max_price_idr"), float(idr))
    return {
        "commodity": good, "region_code": region, "region": place.name if place else region, "channel": "retail",
        "level": "province", "market_date": day, "unit": listed.unit if listed else "kg", "observations": 1, "markets": 1,
        **prices,
    }  # fmt: skip


def daily_rows(first: date, days: int, goods: Iterable[str] = ("bawang-merah", "telur-ayam-ras")) -> list[dict[str, Any]]:
    """Two provinces, prices that rise by a rupiah a day."""
    return [
        row(good, region, first + timedelta(day), 20_000 + day)
        for good in goods
        for region in ("11", "32")
        for day in range(days)
    ]


def of_panel(panel: Panel) -> list[dict[str, Any]]:
    """The observed prices of a panel as rows of the table."""
    return [
        row(panel.commodities[nth], panel.regions[nth], panel.days[day].item(), panel.price[nth, day])
        for nth, day in zip(*np.nonzero(np.isfinite(panel.price)), strict=True)
    ]


def write_daily(rows: list[dict[str, Any]], mode: str = "append") -> None:
    """Append, or overwrite."""
    schema = arrow_schema(contracts()[TABLE])
    write_deltalake(path_of(TABLE), pa.Table.from_pylist(rows, schema=schema), mode=mode)
