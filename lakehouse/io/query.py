"""DuckDB over tables: in UTC, over Arrow, with external access only where a caller hands a table in."""

import threading
from collections.abc import Iterable, Mapping
from string import Template
from typing import Any

import duckdb
import pyarrow as pa

from conf.settings import settings
from lakehouse.arrow import FEW_ROWS, arrow_rows, arrow_schema
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import open_if_exists
from lakehouse.paths import view_name

_kept = threading.local()


def connect(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database in UTC that sees no Python variables. `threads`: cores it may use; None: all.

    It holds at most `lake.query_memory_mb`; what is more goes to the state folder, or is refused.
    """
    limits: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{settings().lake.query_memory_mb}MB",
        "temp_directory": str(settings().state_dir / "duckdb"),
    }
    connection = duckdb.connect(config=limits | ({"threads": threads} if threads else {}))
    connection.execute("set timezone = 'UTC'; set python_enable_replacements = false")
    return connection


def run_sql(
    sql: str, tables: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, threads: int = 1
) -> pa.Table:
    """Rows of one statement over Arrow tables, datasets or readers, each known by its key in `tables`."""
    connection = _connection_of_thread(threads)
    try:
        for name, table in tables.items():
            connection.register(name, table)
        rows = sum(getattr(table, "num_rows", FEW_ROWS + 1) for table in tables.values())
        return arrow_rows(connection, sql, rows, dict(parameters) if parameters else None)
    finally:
        for name in tables:
            connection.unregister(name)


def _connection_of_thread(threads: int) -> duckdb.DuckDBPyConnection:
    """The thread's connection, kept: to open one costs as much as folding a small batch."""
    limits = (threads, settings().lake.query_memory_mb, settings().state_dir)
    if getattr(_kept, "limits", None) != limits:
        _kept.connection, _kept.limits = connect(threads), limits
    connection: duckdb.DuckDBPyConnection = _kept.connection
    return connection


def sql_of(contract: Contract) -> str:
    """The contract's `sql` with the knobs of `lake` and `supply` in place of `${…}`."""
    knobs = settings().lake.model_dump() | settings().supply.model_dump()
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
