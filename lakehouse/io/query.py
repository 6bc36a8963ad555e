"""DuckDB over tables: in UTC, over Arrow, with external access only where a caller hands a table in.

The reference lists are tables for the SQL of contracts.
"""

import atexit
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import pyarrow as pa

from conf.collected_sources import collected_sources
from conf.settings import settings
from lakehouse.arrow import FEW_ROWS, arrow_rows, arrow_schema
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import open_if_exists
from lakehouse.paths import view_name
from lakehouse.reference import basket, commodities, markets, provinces, region_weights, shops

MARKET_COLUMNS = ("market_id", "name", "region_code", "latitude", "longitude", "level")
PROVINCE_COLUMNS = ("code", "name", "timezone", "latitude", "longitude")
SHOP_COLUMNS = ("id", "rating_min", "rating_max")  # null: those of the knobs
PERISHABLE = ("chilli", "allium", "protein", "fish")  # groups of commodities


def connect(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database in UTC that sees no Python variables. `threads`: cores it may use; None: all.

    It holds at most `lake.query_memory_mb`; what is more goes to the state folder, or is refused.
    """
    return _open(threads, settings().lake.query_memory_mb, settings().state_dir / "duckdb")


def _open(threads: int | None, memory_mb: int, overflow: Path) -> duckdb.DuckDBPyConnection:
    limits: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(overflow),
    }
    connection = duckdb.connect(config=limits | ({"threads": threads} if threads else {}))
    connection.execute("set global timezone = 'UTC'; set global python_enable_replacements = false")
    return connection


# To open one costs as much as folding a small batch: all threads of a process share it, and its memory.
_shared = lru_cache(maxsize=2)(_open)
atexit.register(_shared.cache_clear)  # else DuckDB reports it as a leak when the process ends


def run_sql(
    sql: str, tables: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, threads: int = 1
) -> pa.Table:
    """Rows of one statement over Arrow tables, datasets or readers, each known by its key in `tables`."""
    memory_mb, overflow = settings().lake.query_memory_mb, settings().state_dir / "duckdb"
    with _shared(threads, memory_mb, overflow).cursor() as cursor:
        for name, table in tables.items():
            cursor.register(name, table)
        rows = sum(getattr(table, "num_rows", FEW_ROWS + 1) for table in tables.values())
        return arrow_rows(cursor, sql, rows, dict(parameters) if parameters else None)


def sql_of(contract: Contract) -> str:
    """The contract's `sql` with the knobs of `lake`, `supply` and `retail` in place of `${…}`."""
    known = settings()
    knobs = known.lake.model_dump() | known.supply.model_dump() | known.retail.model_dump()
    return Template(contract.sql or "").safe_substitute(knobs)


def run_contract_sql(contract: Contract, tables: Mapping[str, Any]) -> pa.Table:
    """A gold table's own `sql` over `tables`, in the contract's columns, types and sort order."""
    order = f" order by {', '.join(contract.sort_by)}" if contract.sort_by else ""
    rows = run_sql(f"select * from ({sql_of(contract)}) as answer{order}", tables)
    return rows.select(contract.column_names).cast(arrow_schema(contract))


def lake_database(
    names: Iterable[str], versions: Mapping[str, int] | None = None, root: str | None = None
) -> duckdb.DuckDBPyConnection:
    """A database with the tables as `silver_prices` and `silver.prices`.

    A table without a commit is empty.
    """
    connection = connect()
    for name in names:
        table = open_if_exists(name, (versions or {}).get(name), root)
        layer, _, short = name.partition(".")
        connection.register(
            view_name(name),
            table.to_pyarrow_dataset() if table else arrow_schema(contracts()[name]).empty_table(),
        )
        connection.execute(
            f'create schema if not exists {layer}; create view {layer}."{short}" as from {view_name(name)}'
        )
    return connection


def reference_tables(sql: str | None = None) -> dict[str, pa.Table]:
    """The reference lists as tables for SQL; with `sql` those that it names."""
    return {
        name: pa.Table.from_pylist(listed()) for name, listed in LISTS.items() if sql is None or name in sql
    }


def _attributes(entries: Mapping[str, object], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: getattr(entry, name) for name in names} for entry in entries.values()]


LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "reference_markets": lambda: _attributes(markets(), MARKET_COLUMNS),
    "reference_provinces": lambda: _attributes(provinces(), PROVINCE_COLUMNS),
    "reference_commodities": lambda: [
        {"id": entry.id, "perishable": entry.group in PERISHABLE} for entry in commodities().values()
    ],
    "reference_weights": lambda: [
        {
            "item": item,
            "commodity": commodity,
            "weight": entry.weight_pct,
            "named": commodity == entry.commodities[0],
        }
        for item, entry in basket().items.items()
        for commodity in entry.commodities
    ],
    "reference_basket": lambda: [{"weights": basket().text, "regions": region_weights().name}],
    "reference_regions": lambda: [
        {"code": code, "weight": region_weights().by_region.get(code, 1.0)} for code in provinces()
    ],
    "reference_shops": lambda: _attributes(shops(), SHOP_COLUMNS),
    "reference_sources": lambda: [
        {"collector": name, "fresh_hours": about.fresh_hours} for name, about in collected_sources().items()
    ],
}
