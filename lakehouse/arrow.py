"""A contract's columns as an Arrow schema: what delta-rs creates tables from and DuckDB answers in."""

import re

import pyarrow as pa

from lakehouse.contract import Contract

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


def arrow_schema(contract: Contract) -> pa.Schema:
    """The table's schema, column order of the contract, all nullable."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in contract.columns])
