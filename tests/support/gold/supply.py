"""Stocks and deliveries, days of cover, routes and transfers."""

import random
from datetime import datetime

import pyarrow as pa

from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql
from lakehouse.paths import view_name
from lakehouse.supply.routes import route_row
from streaming_jobs.gold.contract_sql import reference_tables
from tests.support.gold.subject import Row, Tables
from tests.support.gold.supply_chain import simulate
from tests.support.recomputed_gold import grouped


def chain(rng: random.Random) -> dict[str, list[Row]]:
    """Stocks and deliveries of two chains, of whose routes some are observed often enough, and rain."""
    rows: dict[str, list[Row]] = {"silver.stocks": [], "silver.shipments": [], "silver.weather": []}
    for name, days in (("A", 66), ("B", 60)):
        simulated = simulate(days, rng.randrange(99))
        for row in simulated.stocks:
            scarce = {"region_code": "31", "region": "DKI Jakarta", "quantity_kg": row["quantity_kg"] / 50}
            region = {} if name == "A" else scarce
            own = {"event_id": f"{name}{row['event_id']}", "entity_id": f"{name}-{row['entity_id']}"}
            rows["silver.stocks"].append(row | region | own)
        for row in simulated.shipments:
            ends = {end: f"{name}-{row[end]}" for end in ("origin", "destination", "route_id", "event_id")}
            rows["silver.shipments"].append(row | ends)
    return rows


def _of_sql(table: str, tables: Tables) -> pa.Table:
    sql_tables = {view_name(name): rows for name, rows in tables.items()}
    return run_contract_sql(contracts()[table], {**reference_tables(), **sql_tables})


def stock_days(tables: Tables, newest: datetime) -> list[Row]:
    """By the contract's SQL for all holders at once."""
    rows: list[Row] = _days(tables).to_pylist()
    return rows


def stocks(tables: Tables, newest: datetime) -> list[Row]:
    """The newest day of each stock."""
    groups = grouped(stock_days(tables, newest), "entity_id", "commodity").values()
    return [max(rows, key=lambda row: (row["event_time"], row["market_date"])) for rows in groups]


def supply_transfers(tables: Tables, newest: datetime) -> list[Row]:
    """By the contract's SQL over all stocks."""
    newest_stocks = _of_sql("gold.stocks", {"gold.stock_days": _days(tables)})
    rows: list[Row] = _of_sql("gold.supply_transfers", {"gold.stocks": newest_stocks}).to_pylist()
    return rows


def _days(tables: Tables) -> pa.Table:
    holders = pa.table({"entity_id": tables["silver.stocks"]["entity_id"].unique()})
    return _of_sql("gold.stock_days", {**tables, "changed": holders})


def routes(tables: Tables, newest: datetime) -> list[Row]:
    """By the function of a route over all of its deliveries."""
    groups = grouped(tables["silver.shipments"].to_pylist(), "route_id").values()
    return [route_row(rows, {}) for rows in groups]
