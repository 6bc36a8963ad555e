"""A fresh lake whose tables a test writes itself, batch by batch, with delta-rs."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import append_rows

NOON = datetime(2026, 3, 1, 5, tzinfo=UTC)
SAMPLES = {
    "string": "x",
    "double": 1.0,
    "int": 0,
    "bigint": 0,
    "timestamp": NOON,
    "date": date(2026, 3, 1),
    "binary": b"{}",
    "array<string>": [],
    "boolean": True,
}


def complete(contract: Contract, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of a table; columns not given take a value of their type."""
    values = [{c.name: row.get(c.name, SAMPLES.get(c.type)) for c in contract.columns} for row in rows]
    return pa.Table.from_pylist(values, schema=arrow_schema(contract))


def write(table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows; columns not given take a value of their type."""
    contract = contracts()[table]
    append_rows(contract.table, complete(contract, rows), "{}")


def finish(time: datetime, **more: Any) -> None:
    """The batch of that time is done."""
    write("gold.balance", [{"ingested_at": time, "kind": "price", **more}])
