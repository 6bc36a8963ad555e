"""ml's own gold tables, written with delta-rs: one commit a write, and a write that was done once is not done again."""

import hashlib
import json

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake

from conf.settings import settings
from lakehouse.arrow import arrow_schema, creation, missing_columns
from lakehouse.contract import Contract, contracts
from lakehouse.paths import table_path

# What the last write of a table was made from. An application transaction outlives the cleaning of the log.
WRITTEN = "lumbung/written"
COMPACT_FILES = 60  # small files before they are merged
TARGET_BYTES = 32 * 2**20


def path_of(table: str) -> str:
    return table_path(settings().lake_root, table)


def is_there(table: str) -> bool:
    return DeltaTable.is_deltatable(path_of(table))


def ensure(table: str) -> DeltaTable:
    """The table, made when it is not there, with every column that its contract has gained; reader version 1."""
    contract = contracts()[table]
    there = DeltaTable.create(path_of(table), **creation(contract))
    if missing := missing_columns(contract, {field.name for field in there.schema().fields}):
        there.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
    return DeltaTable(path_of(table))


def append(table: str, rows: pa.Table, made_from: str) -> bool:
    """Append in one commit. False, and nothing written, when the table's last write was made from the same."""
    return _write(table, rows, made_from, mode="append")


def replace(table: str, rows: pa.Table, made_from: str, where: str | None = None) -> bool:
    """Put `rows` in the place of those that match the predicate `where` (all of them without it), in one commit."""
    return _write(table, rows, made_from, mode="overwrite", **({"predicate": where} if where else {}))


def last_made_from(table: str) -> int | None:
    """Fingerprint of what the last write was made from; None before the first."""
    found: int | None = DeltaTable(path_of(table)).transaction_version(WRITTEN) if is_there(table) else None
    return found


def fingerprint(text: str) -> int:
    """62 bits of the text's SHA-256: what fits into an application transaction."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 2


def _write(table: str, rows: pa.Table, made_from: str, **how: str) -> bool:
    there, contract, mark = ensure(table), contracts()[table], fingerprint(made_from)
    if there.transaction_version(WRITTEN) == mark:
        return False
    write_deltalake(
        there,
        shaped(rows, contract),
        partition_by=list(contract.partition_by) or None,
        commit_properties=CommitProperties(
            custom_metadata={"lumbung": json.dumps({"made_from": made_from})}, app_transactions=[Transaction(WRITTEN, mark)]
        ),
        **how,
    )
    _tidy(table)
    return True


def shaped(rows: pa.Table, contract: Contract) -> pa.Table:
    """The contract's columns, in its order and types. Raises KeyError when one is missing."""
    return rows.select(contract.column_names).cast(arrow_schema(contract))


def _tidy(table: str) -> None:
    """Merge small files and drop what no reader needs any more; only this process writes the table."""
    there = DeltaTable(path_of(table))
    if len(there.file_uris()) > COMPACT_FILES:
        there.optimize.compact(target_size=TARGET_BYTES, max_concurrent_tasks=1)
        there.vacuum(contracts()[table].retention_hours, dry_run=False, enforce_retention_duration=False)
        there.create_checkpoint()
        there.cleanup_metadata()
