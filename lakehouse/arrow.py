"""A contract's columns as an Arrow schema: what delta-rs creates tables from and DuckDB answers in."""

import re
import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.schema import Column

if TYPE_CHECKING:  # a library type only: processes without SQL do not load it
    import duckdb

FEW_ROWS = 10_000
# The stream commits a few times a second, and each commit lists the log: of an hour it takes 20 ms longer.
LOG_RETENTION, KEPT_LOG = "delta.logRetentionDuration", "interval 10 minutes"
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result makes an extra copy")
SIMPLE: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "binary": pa.binary(),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
}


def arrow_type(spark_type: str) -> pa.DataType:
    """`array<struct<a:string>>` and the like; KeyError for a type that no contract uses."""
    nested = re.fullmatch(r"array<(.+)>", spark_type)
    if nested:
        return pa.list_(arrow_type(nested.group(1)))
    fields = re.fullmatch(r"struct<([^<>]+)>", spark_type)
    if fields:
        pairs = (entry.split(":") for entry in fields.group(1).split(","))
        return pa.struct([(name, arrow_type(kind)) for name, kind in pairs])
    return SIMPLE[spark_type]


def creation(contract: Contract) -> dict[str, Any]:
    """Arguments of DeltaTable.create for the contract's table: reader version 1, comments on every column."""
    commented = [
        field.with_metadata({"comment": column_comment(column)})
        for field, column in zip(arrow_schema(contract), contract.columns, strict=True)
    ]
    return {
        "schema": pa.schema(commented),
        "mode": "ignore",
        "partition_by": list(contract.partition_by),
        "name": contract.table,
        "description": contract.description,
        "configuration": {
            "delta.checkpointInterval": "50",
            LOG_RETENTION: KEPT_LOG,
            # Only `clean_log` cleans the log: it follows a batch, whose commit notes the offsets.
            "delta.enableExpiredLogCleanup": "false",
            "delta.deletedFileRetentionDuration": f"interval {contract.retention_hours} hours",
            "delta.minReaderVersion": "1",
            "delta.dataSkippingStatsColumns": ",".join(columns_with_statistics(contract)),
        },
    }


def columns_with_statistics(contract: Contract) -> list[str]:
    """Columns whose least and greatest values each file notes: `skip_by`, and the time of a row."""
    times = [contract.time_column] if contract.time_column in contract.column_names else []
    return list(dict.fromkeys([*contract.skip_by, *times]))


def column_comment(column: Column) -> str:
    """Meaning and unit of a column, as other tools show it: `price as reported [rupiah per unit]`."""
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def missing_columns(contract: Contract, there: Collection[str]) -> list[pa.Field]:
    """Columns of the contract that a table with the columns `there` lacks; older rows are null there."""
    return [field for field in arrow_schema(contract) if field.name not in there]


def arrow_schema(contract: Contract) -> pa.Schema:
    """The table's schema, column order of the contract, all nullable."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in contract.columns])


def ordered(rows: pa.Table, *columns: str) -> pa.Table:
    """The rows in ascending order of the columns, the first one first."""
    return rows.sort_by([(name, "ascending") for name in columns])


def arrow_rows(
    database: "duckdb.DuckDBPyConnection", sql: str, rows: int, parameters: dict[str, object] | None = None
) -> pa.Table:
    """The rows of a statement. `rows`: about how many it reads.

    `sql` plans a statement twice, which over few rows costs as much as the rest: 13 of 34 ms for the mask of
    prices. `execute` plans it once, but copies its rows.
    """
    if rows > FEW_ROWS:
        return database.sql(sql, params=parameters).to_arrow_table()
    return database.execute(sql, parameters).to_arrow_table()


def utf8_texts(values: pa.Array, replace: bool = False) -> pa.Array:
    """Bytes as text; what is no UTF-8 is null, or with `replace` has replacement characters in its place."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_decoded(value, replace) for value in values.to_pylist()], pa.string())


def _decoded(value: bytes | None, replace: bool) -> str | None:
    try:
        return None if value is None else value.decode(errors="replace" if replace else "strict")
    except UnicodeDecodeError:
        return None
