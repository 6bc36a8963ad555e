"""A lake of believable size for the API bench, written with delta-rs as the stream lays it out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import table_path
from lakehouse.reference import Commodity, Market, commodities, markets, provinces

Columns = dict[str, object]


def goods_and_places() -> tuple[list[Commodity], list[Market]]:
    """Every single good, every listed market and province."""
    return [good for good in commodities().values() if not good.is_group], list(markets().values())


def write(root: str, table: str, rows: list[Columns] | pa.Table) -> None:
    """Append rows; columns not given are null."""
    contract = contracts()[table]
    schema = arrow_schema(contract)
    whole = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
    Path(table_path(root, table)).mkdir(parents=True, exist_ok=True)
    write_deltalake(table_path(root, table), whole, mode="append", partition_by=list(contract.partition_by) or None)


def write_live(root: str) -> int:
    """gold.live_prices and gold.markets: one price per good and place; returns the number of prices."""
    goods, places = goods_and_places()
    now = datetime.now(UTC)
    region = provinces()
    prices: list[Columns] = [
        {
            "market_id": place.market_id, "market_name": place.name, "level": place.level, "region_code": place.region_code,
            "region": region[place.region_code].name, "commodity": good.id, "channel": "retail", "price_idr": good.typical_idr,
            "unit": good.unit, "event_time": now - timedelta(seconds=number), "market_date": now.date(),
            "event_id": f"bench-{number}", "change_pct": 0.5,
        }
        for number, (good, place) in enumerate((good, place) for good in goods for place in places)
    ]  # fmt: skip
    write(root, "gold.live_prices", prices)
    listed: list[Columns] = [
        {
            "market_id": place.market_id, "name": place.name, "level": place.level, "region_code": place.region_code,
            "region": region[place.region_code].name, "latitude": place.latitude, "longitude": place.longitude,
            "timezone": region[place.region_code].timezone, "commodities": len(goods), "last_event_time": now,
        }
        for place in places
    ]  # fmt: skip
    write(root, "gold.markets", listed)
    return len(prices)


def write_history(root: str, months: int, rows_a_month: int, seed: int = 1) -> int:
    """gold.price_history: whole months back from now, each a file sorted by commodity and time; returns the number of rows."""
    goods, places = goods_and_places()
    draw = np.random.default_rng(seed)
    schema = arrow_schema(contracts()["gold.price_history"])
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for back in range(months):
        begin = int(first.timestamp()) * 1_000_000
        which = np.sort(draw.integers(0, len(goods), rows_a_month))
        where = draw.integers(0, len(places), rows_a_month)
        times = begin + draw.integers(0, 27 * 86_400, rows_a_month) * 1_000_000
        times = times[np.lexsort((times, which))]
        at = pa.array(times, pa.timestamp("us", "UTC"))
        columns = {
            "event_id": pa.array([f"bench-{back}-{number}" for number in range(rows_a_month)]),
            "market_id": pa.array(np.array([place.market_id for place in places])[where]),
            "region_code": pa.array(np.array([place.region_code for place in places])[where]),
            "region": pa.array(np.array([provinces()[place.region_code].name for place in places])[where]),
            "commodity": pa.array(np.array([good.id for good in goods])[which]),
            "channel": pa.repeat("retail", rows_a_month),
            "price_idr": pa.array(draw.uniform(10_000, 60_000, rows_a_month).round()),
            "unit": pa.array(np.array([good.unit for good in goods])[which]),
            "event_time": at,
            "market_date": at.cast(pa.date32()),
            "market_month": pa.repeat(f"{first:%Y-%m}", rows_a_month),
            "warnings": pa.array([[]] * rows_a_month, pa.list_(pa.string())),
        }
        write(root, "gold.price_history", pa.table(columns).cast(schema))
        first = (first - timedelta(days=1)).replace(day=1)
    return months * rows_a_month
