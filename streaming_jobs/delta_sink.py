"""Frames and Arrow tables -> Delta tables, each commit tagged with the batch that made it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from pyspark.sql import DataFrame

from conf.settings import settings
from lakehouse.arrow import arrow_schema, creation, missing_columns
from lakehouse.contract import Contract, contracts
from lakehouse.paths import table_path

EMPTIED = {"emptied": True}
# A mark of how far a table has come. An application transaction outlives the cleaning of the log; a commit's text does not.
UPTO = "lumbung/upto"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_BACK = 30  # commits: a batch's own commit may lie below merges and checkpoints that followed it


def path_of(table: str) -> str:
    return table_path(settings().lake_root, table)


def create_tables() -> None:
    """Create every table of the contracts that is not there, and every column: reader version 1, for every reader to read."""
    for name, contract in contracts().items():
        DeltaTable.create(path_of(name), **creation(contract))
        add_columns(contract)


def add_columns(contract: Contract) -> None:
    """Give a table of an earlier version the columns that its contract has gained; older rows are null there."""
    table = open_table(contract.table)
    if missing := missing_columns(contract, {field.name for field in table.schema().fields}):
        table.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)


def open_table(table: str) -> DeltaTable:
    return DeltaTable(path_of(table))


def as_it_stands(table: str) -> DeltaTable:
    """The newest version of a table that the calling thread alone writes; kept, for opening one anew takes 10 to 30 ms."""
    path = path_of(table)
    held = _kept.get(path)
    if held is None:
        held = _kept[path] = DeltaTable(path)
    else:
        held.update_incremental()
    return held


def forget_tables() -> None:
    """Before the tables are looked at for damage: they may be others than those that were kept."""
    _kept.clear()


_kept: dict[str, DeltaTable] = {}  # by path


@dataclass(frozen=True)
class BatchTag:
    """Which batch a commit belongs to; `offsets` are the positions reached, `more` is free."""

    stream_id: str
    batch_id: int
    offsets: dict[str, dict[str, int]] = field(default_factory=dict)

    def text(self, **more: Any) -> str:
        return json.dumps({"stream": self.stream_id, "batch": self.batch_id, "offsets": self.offsets, **more})


def tags_of(table: str, limit: int = LOOK_BACK) -> list[dict[str, Any]]:
    """Tags of the table's newest commits, newest first; commits of maintenance bear none and are left out.

    What lies below an emptying (`empty_table`) is gone from the table, so its tags do not count.
    """
    found: list[dict[str, Any]] = []
    for commit in open_table(table).history(limit):
        text = commit.get("userMetadata") or commit.get("lumbung")
        tag = json.loads(text) if text else None
        if tag == EMPTIED:
            break
        if tag:
            found.append({**tag, "version": commit["version"]})
    return found


def empty_table(contract: Contract) -> None:
    """Remove all rows in one commit; older versions stay readable until the next vacuum."""
    overwrite_arrow(arrow_schema(contract).empty_table(), contract, json.dumps(EMPTIED), upto=EPOCH)


def append_frame(frame: DataFrame, table: str, tag: BatchTag, files: int) -> None:
    """Append a Spark frame in `files` files per partition at most.

    A small one (`files` 1) is collected and written by delta-rs: Spark's own commit costs more than such a batch's rows.
    """
    if files == 1:
        append_arrow(frame.toArrow(), contracts()[table], tag.text())
        return
    frame.coalesce(files).write.format("delta").mode("append").option("userMetadata", tag.text()).save(path_of(table))


def taken_up_to(table: str) -> datetime:
    """Time of the newest batch that the table holds, as its writer noted it; 1970 when it noted none."""
    return mark_of(open_table(table))


def mark_of(table: DeltaTable) -> datetime:
    """The same of a table at the version at which it was opened."""
    return EPOCH + timedelta(microseconds=table.transaction_version(UPTO) or 0)


def append_arrow(rows: pa.Table, contract: Contract, text: str, upto: datetime | None = None) -> None:
    """Append a small table made in the driver; `text` and the mark `upto` go into the commit."""
    _write(rows, contract, text, upto, mode="append")


def overwrite_arrow(
    rows: pa.Table, contract: Contract, text: str, predicate: str | None = None, upto: datetime | None = None
) -> None:
    """Replace the table, or the rows that match `predicate`; `text` and the mark `upto` go into the commit."""
    _write(rows, contract, text, upto, mode="overwrite", **({"predicate": predicate} if predicate else {}))


def _write(rows: pa.Table, contract: Contract, text: str, upto: datetime | None, **how: Any) -> None:
    marks = [Transaction(UPTO, (upto - EPOCH) // timedelta(microseconds=1))] if upto else None
    write_deltalake(
        as_it_stands(contract.table),
        rows.select(contract.column_names).cast(arrow_schema(contract)),
        partition_by=list(contract.partition_by) or None,
        commit_properties=CommitProperties(custom_metadata={"lumbung": text}, app_transactions=marks),
        **how,
    )
