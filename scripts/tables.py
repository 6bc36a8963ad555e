"""The lake as analysts see it: Delta tables opened with delta-rs and handed to DuckDB under their own names."""

from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from conf.settings import settings
from lakehouse.contract import contracts
from lakehouse.paths import table_path, view_name


def open_table(name: str, version: int | None = None) -> DeltaTable | None:
    """The table at its newest or a given version; None before its first row."""
    try:
        return DeltaTable(table_path(settings().lake_root, name), version=version)
    except TableNotFoundError:
        return None


def database(names: Iterable[str], versions: Mapping[str, int] | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database that sees the tables as `silver_prices` and `silver.prices`; a table not there yet is empty."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set python_enable_replacements = false")
    for name in names:
        table = open_table(name, (versions or {}).get(name))
        layer, _, short = name.partition(".")
        connection.register(view_name(name), table.to_pyarrow_dataset() if table else _empty(name))
        connection.execute(f'create schema if not exists {layer}; create view {layer}."{short}" as from {view_name(name)}')
    return connection


def _empty(name: str) -> pa.Table:
    fields = [(column.name, _arrow(column.type)) for column in contracts()[name].columns]
    return pa.schema(fields).empty_table()


def _arrow(spark_type: str) -> pa.DataType:
    if spark_type.startswith("array<struct"):
        return pa.list_(pa.struct([("rule", pa.string()), ("severity", pa.string()), ("message", pa.string())]))
    if spark_type.startswith("array<"):
        return pa.list_(_arrow(spark_type[6:-1]))
    if spark_type.startswith("map<"):
        return pa.map_(pa.string(), pa.string())
    return {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "binary": pa.binary(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[spark_type]
