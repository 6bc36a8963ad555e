"""The lake as analysts see it: Delta tables opened with delta-rs and handed to DuckDB under their own names."""

from collections.abc import Iterable, Mapping

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import table_path, view_name


def open_table(name: str, version: int | None = None, root: str | None = None) -> DeltaTable | None:
    """The table at its newest or a given version; None before its first row."""
    try:
        return DeltaTable(table_path(root or settings().lake_root, name), version=version)
    except TableNotFoundError:
        return None


def database(
    names: Iterable[str], versions: Mapping[str, int] | None = None, root: str | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory database that sees the tables as `silver_prices` and `silver.prices`; a table not there yet is empty."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set python_enable_replacements = false")
    for name in names:
        table = open_table(name, (versions or {}).get(name), root)
        layer, _, short = name.partition(".")
        connection.register(
            view_name(name), table.to_pyarrow_dataset() if table else arrow_schema(contracts()[name]).empty_table()
        )
        connection.execute(f'create schema if not exists {layer}; create view {layer}."{short}" as from {view_name(name)}')
    return connection
