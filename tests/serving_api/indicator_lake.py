"""Prices from silver to the indicators in a lake, computed by the product's own functions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql
from lakehouse.reference import commodities, provinces
from scripts.bench.api_lake import write
from serving_api.reads.dashboard.daily_figures import indicators_of
from tests.support.price_lake import price_rows

LAST = date(2024, 8, 2)  # newest market day of `price_rows`


def province_price(
    commodity: str, region_code: str, day: date, price_idr: float, stored_at: datetime, **more: Any
) -> dict[str, Any]:
    """A province-wide price as a row of silver.prices."""
    province = provinces()[region_code]
    return {
        "event_id": f"{commodity}-{region_code}-{day}-{price_idr:g}",
        "market_id": province.market_id,
        "market_name": province.name,
        "level": "province",
        "region_code": region_code,
        "region": province.name,
        "commodity": commodity,
        "channel": "retail",
        "provider": "panel-harga",
        "price_idr": price_idr,
        "unit": commodities()[commodity].unit,
        "event_time": datetime(day.year, day.month, day.day, 3, tzinfo=UTC),
        "market_date": day,
        "market_month": f"{day:%Y-%m}",
        "ingested_at": stored_at,
        "_warnings": [],
        **more,
    }


def stored_rows(seed: int) -> list[dict[str, Any]]:
    """The rows of `price_rows`, stored an hour after they held."""
    return [row | {"ingested_at": row["event_time"] + timedelta(hours=1)} for row in price_rows(seed)]


def fill_prices(root: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Write silver.prices and the gold tables that follow; returns the rows of silver."""
    silver = pa.Table.from_pylist(list(rows), schema=arrow_schema(contracts()["silver.prices"]))
    write(root, "silver.prices", silver)
    for table in ("gold.daily_prices", "gold.live_prices"):
        write(root, table, run_contract_sql(contracts()[table], {"silver_prices": silver}))
    for table, computed in indicators_of(silver).items():
        write(root, table, computed)
    return silver
