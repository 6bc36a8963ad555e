"""silver.stocks, silver.shipments -> gold.stock_days, gold.stocks, gold.routes, gold.supply_transfers."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import EPOCH, high_water_mark, open_table, replace_rows, tags_of
from lakehouse.io.query import run_contract_sql
from lakehouse.reference import commodities, provinces
from lakehouse.supply.routes import route_row
from streaming_jobs.gold.finished_batches import newest_finished

STOCKS = "gold.stocks"
STOCK_DAYS = "gold.stock_days"
ROUTES = "gold.routes"
TRANSFERS = "gold.supply_transfers"
REPORTED = "silver.stocks"
DELIVERED = "silver.shipments"
WEATHER = "silver.weather"
PERISHABLE = ("chilli", "allium", "protein", "fish")  # groups of commodities
MOST_KEYS = 500  # named in one predicate; more are written in several commits
SHIPMENT_COLUMNS = [
    *("event_id", "route_id", "origin", "origin_region_code", "destination", "destination_region_code"),
    *("commodity", "quantity_kg", "distance_km", "departed_at", "arrived_at", "travel_hours", "event_time"),
]


class Supply:
    """Computes the holders and routes again that new reports touch."""

    name = "supply"

    def refresh(self) -> None:
        """Take up the reports of batches that have finished since the last commit."""
        self._refresh_keys((STOCK_DAYS, STOCKS), touched_holders, write_stocks, ("stock", "shipment"))
        self._refresh_keys((ROUTES,), touched_routes, write_routes, ("shipment",))
        refresh_transfers()

    def _refresh_keys(self, tables: Sequence[str], touched: Any, write: Any, kinds: Sequence[str]) -> None:
        upto = max((newest_finished(EPOCH, kind=kind) or EPOCH for kind in kinds), default=EPOCH)
        mark = min(map(high_water_mark, tables))
        if upto == mark:
            return
        if upto < mark:  # silver was emptied, and this table with it
            mark = EPOCH
        keys = sorted(touched(mark, upto))
        parts = [keys[start : start + MOST_KEYS] for start in range(0, len(keys), MOST_KEYS)] or [[]]
        for number, part in enumerate(parts, 1):
            # The mark moves with the last part: after a crash all of them are computed again.
            write(part, upto if number == len(parts) else None)


def new_rows(table: str, columns: list[str], after: datetime, upto: datetime) -> pa.Table:
    """The columns of the rows of batches after `after`, up to `upto`."""
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    return open_table(table).to_pyarrow_dataset().to_table(columns=columns, filter=window)


def touched_holders(after: datetime, upto: datetime) -> set[str]:
    """Holders with a new report or delivery; a destination that never reported a stock has no row."""
    reported = new_rows(REPORTED, ["entity_id"], after, upto)
    delivered = new_rows(DELIVERED, ["origin", "destination"], after, upto)
    columns = (reported["entity_id"], delivered["origin"], delivered["destination"])
    return {name for column in columns for name in column.unique().to_pylist()}


def touched_routes(after: datetime, upto: datetime) -> set[str]:
    """Routes with a new delivery."""
    return set(new_rows(DELIVERED, ["route_id"], after, upto)["route_id"].unique().to_pylist())


def write_stocks(holders: list[str], upto: datetime | None) -> None:
    """Replace the rows of these holders."""
    names = pa.array(holders, pa.string())  # typed, because there are none when every report was refused
    reported = open_table(REPORTED).to_pyarrow_dataset().to_table(filter=pc.field("entity_id").isin(names))
    of_holders = pc.field("origin").isin(names) | pc.field("destination").isin(names)
    delivered = open_table(DELIVERED).to_pyarrow_dataset().to_table(filter=of_holders)
    tables = {"reported": reported, "delivered": delivered, **reference_tables()}
    by_day = run_contract_sql(contracts()[STOCK_DAYS], tables)
    newest = run_contract_sql(contracts()[STOCKS], {"computed": by_day})
    for table, rows in ((STOCK_DAYS, by_day), (STOCKS, newest)):
        replace_rows(table, rows, predicate=in_list("entity_id", holders), upto=upto)


def write_routes(routes: list[str], upto: datetime | None) -> None:
    """Replace the rows of these routes."""
    chosen = pc.field("route_id").isin(pa.array(routes, pa.string()))
    delivered = open_table(DELIVERED).to_pyarrow_dataset().to_table(columns=SHIPMENT_COLUMNS, filter=chosen)
    by_route: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in delivered.to_pylist():
        by_route[row["route_id"]].append(row)
    rain = rain_by_day()
    rows = [route_row(by_route[route], rain) for route in sorted(by_route)]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[ROUTES]))
    replace_rows(ROUTES, table, predicate=in_list("route_id", routes), upto=upto)


def rain_by_day() -> dict[tuple[str, date], float]:
    """(province code, local day) -> most rain of its stations, mm."""
    columns = ["region_code", "date", "rainfall_mm"]
    rows = open_table(WEATHER).to_pyarrow_dataset().to_table(columns=columns)
    daily = rows.group_by(["region_code", "date"]).aggregate([("rainfall_mm", "max")])
    return {
        (row["region_code"], row["date"]): row["rainfall_mm_max"]
        for row in daily.to_pylist()
        if row["rainfall_mm_max"] is not None
    }


def refresh_transfers() -> None:
    """Compute all transfers again when gold.stocks has a new version."""
    stocks = open_table(STOCKS)
    made_from = {"stocks": stocks.version(), "knobs": settings().supply.model_dump_json()}
    tags = tags_of(TRANSFERS, 5)
    if tags and made_from.items() <= tags[0].items():
        return
    tables = {"gold_stocks": stocks.to_pyarrow_table(), **reference_tables()}
    replace_rows(TRANSFERS, run_contract_sql(contracts()[TRANSFERS], tables), json.dumps(made_from))


def reference_tables() -> dict[str, pa.Table]:
    """The reference lists as tables for SQL."""
    places = [
        {
            "code": p.code,
            "name": p.name,
            "timezone": p.timezone,
            "latitude": p.latitude,
            "longitude": p.longitude,
        }
        for p in provinces().values()
    ]
    listed = [{"id": entry.id, "perishable": entry.group in PERISHABLE} for entry in commodities().values()]
    return {
        "reference_provinces": pa.Table.from_pylist(places),
        "reference_commodities": pa.Table.from_pylist(listed),
    }


def in_list(column: str, values: Sequence[str]) -> str:
    """The SQL predicate for rows with one of the values; never true without any."""
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} in ({listed})" if values else "false"


JOB = Supply
