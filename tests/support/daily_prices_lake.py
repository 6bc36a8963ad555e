"""A small gold.daily_prices, written as the stream writes it."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import table_uri
from lakehouse.reference import commodities, provinces
from ml.data.panel import Panel

TABLE = "gold.daily_prices"


def row(commodity: str, region: str, day: date, idr: float) -> dict[str, Any]:
    """One market day of a province's own figure."""
    listed = commodities().get(commodity)
    province = provinces().get(region)
    prices = dict.fromkeys(
        ("min_price_idr", "median_price_idr", "mean_price_idr", "max_price_idr"), float(idr)
    )
    return {
        "commodity": commodity,
        "region_code": region,
        "region": province.name if province else region,
        "channel": "retail",
        "level": "province",
        "provider": "panel-harga",
        "market_date": day,
        "unit": listed.unit if listed else "kg",
        "observations": 1,
        "markets": 1,
        **prices,
    }


def daily_rows(
    first: date, days: int, names: Iterable[str] = ("bawang-merah", "telur-ayam-ras")
) -> list[dict[str, Any]]:
    """Two provinces, prices that rise by a rupiah a day; `names`: commodities."""
    return [
        row(commodity, region, first + timedelta(day), 20_000 + day)
        for commodity in names
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
    write_deltalake(table_uri(TABLE), pa.Table.from_pylist(rows, schema=schema), mode=mode)
