"""A lake of realistic size for the API bench, written with delta-rs in the layout of the stream."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import note_write
from lakehouse.paths import table_path
from lakehouse.reference import Commodity, Market, commodities, markets, provinces

Columns = dict[str, object]


def commodities_and_places() -> tuple[list[Commodity], list[Market]]:
    """Every commodity that is not a group, and every listed market and province."""
    products = [commodity for commodity in commodities().values() if not commodity.is_group]
    return products, list(markets().values())


def write(root: str, table: str, rows: list[Columns] | pa.Table) -> None:
    """Append rows to a table; missing columns are null."""
    contract = contracts()[table]
    schema = arrow_schema(contract)
    content = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
    Path(table_path(root, table)).mkdir(parents=True, exist_ok=True)
    write_deltalake(
        table_path(root, table), content, mode="append", partition_by=list(contract.partition_by) or None
    )
    note_write(root)


def place_columns(place: Market) -> Columns:
    """The columns of a place that several tables have."""
    copied = {name: getattr(place, name) for name in ("market_id", "level", "region_code")}
    return copied | {"region": provinces()[place.region_code].name}


def write_live(root: str) -> int:
    """gold.live_prices and gold.markets: one price for each commodity and place; returns their number."""
    products, places = commodities_and_places()
    now = datetime.now(UTC)
    prices: list[Columns] = [
        {
            **place_columns(place),
            "market_name": place.name,
            "commodity": commodity.id,
            "channel": "retail",
            "provider": "market",
            "price_idr": commodity.typical_idr,
            "unit": commodity.unit,
            "event_time": now - timedelta(seconds=number),
            "market_date": now.date(),
            "event_id": f"bench-{number}",
            "change_pct": 0.5,
        }
        for number, (commodity, place) in enumerate(itertools.product(products, places))
    ]
    write(root, "gold.live_prices", prices)
    listed: list[Columns] = [
        {
            **place_columns(place),
            **{name: getattr(place, name) for name in ("name", "latitude", "longitude")},
            "timezone": provinces()[place.region_code].timezone,
            "commodities": len(products),
            "last_event_time": now,
        }
        for place in places
    ]
    write(root, "gold.markets", listed)
    return len(prices)


class PriceCommits:
    """Commits of gold.live_prices, each with newer prices of the first markets of a commodity."""

    def __init__(self, root: str, commodity: str) -> None:
        self._root = root
        self._path = table_path(root, "gold.live_prices")
        rows = DeltaTable(self._path).to_pyarrow_table()
        is_watched = pc.equal(rows["commodity"], commodity)
        self._rows = pa.concat_tables([rows.filter(is_watched), rows.filter(pc.invert(is_watched))])
        self.number = 0

    def commit(self, count: int) -> str:
        """Change so many prices; returns the first one as the English page shows it."""
        self.number += 1
        price = 50_000 + self.number
        changed = [
            row
            | {"event_id": f"p-{self.number}-{position}", "event_time": datetime.now(UTC), "price_idr": price}
            for position, row in enumerate(self._rows.slice(0, count).to_pylist())
        ]
        newer = pa.Table.from_pylist(changed, schema=self._rows.schema)
        self._rows = pa.concat_tables([newer, self._rows.slice(count)])
        write_deltalake(self._path, self._rows, mode="overwrite")
        note_write(self._root)
        return f"{price:,}"


def write_history(root: str, months: int, rows_a_month: int) -> int:
    """gold.price_history: the last `months` months, one file each, sorted by commodity and time.

    Returns the number of rows.
    """
    products, places = commodities_and_places()
    draw = np.random.default_rng(1)

    def drawn(names: list[str], index: np.ndarray) -> pa.Array:
        return pa.array(names).take(pa.array(index))

    schema = arrow_schema(contracts()["gold.price_history"])
    month_start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for back in range(months):
        begin = int(month_start.timestamp()) * 1_000_000
        commodity_index = np.sort(draw.integers(0, len(products), rows_a_month))
        place_index = draw.integers(0, len(places), rows_a_month)
        microseconds = begin + draw.integers(0, 27 * 86_400, rows_a_month) * 1_000_000
        microseconds = microseconds[np.lexsort((microseconds, commodity_index))]
        event_times = pa.array(microseconds, pa.timestamp("us", "UTC"))
        columns = {
            "event_id": pa.array([f"bench-{back}-{number}" for number in range(rows_a_month)]),
            "market_id": drawn([place.market_id for place in places], place_index),
            "region_code": drawn([place.region_code for place in places], place_index),
            "region": drawn([provinces()[place.region_code].name for place in places], place_index),
            "commodity": drawn([commodity.id for commodity in products], commodity_index),
            "channel": pa.repeat("retail", rows_a_month),
            "provider": pa.repeat("market", rows_a_month),
            "price_idr": pa.array(draw.uniform(10_000, 60_000, rows_a_month).round()),
            "unit": drawn([commodity.unit for commodity in products], commodity_index),
            "event_time": event_times,
            "market_date": event_times.cast(pa.date32()),
            "market_month": pa.repeat(f"{month_start:%Y-%m}", rows_a_month),
            "warnings": pa.array([[]] * rows_a_month, pa.list_(pa.string())),
        }
        write(root, "gold.price_history", pa.table(columns).cast(schema))
        month_start = (month_start - timedelta(days=1)).replace(day=1)
    return months * rows_a_month
