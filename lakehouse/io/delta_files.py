"""Parquet files of a Delta table, written by one process and committed by another.

A task writes files and returns what a commit needs to know of them; the driver commits the files of all tasks
at once. Files that no commit names are removed by the next vacuum.
"""

import json
import math
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, Transaction
from deltalake._internal import DeltaFileSystemHandler
from deltalake.transaction import AddAction

from conf.settings import settings
from lakehouse.arrow import columns_with_statistics
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.io.delta import BatchTag, Rows, cached_table, is_written, note_write, shaped, table_uri

LONGEST_BOUND = 32  # characters of a text among the statistics
LAST_CHARACTER = "\U0010ffff"
NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class WrittenFile:
    """A file below the table's folder, as an Add action of Delta describes it. `stats`: JSON."""

    path: str
    size: int
    partition_values: dict[str, str | None]
    modification_time: int  # ms since 1970
    stats: str

    @property
    def action(self) -> AddAction:
        return AddAction(
            self.path, self.size, self.partition_values, self.modification_time, True, self.stats
        )


def write_files(table: str, rows: Rows, is_durable: bool = False) -> list[WrittenFile]:
    """Write the rows, one file for each value of the table's partition columns.

    `rows`: in the contract's columns, or as dictionaries. `is_durable`: return when they are on the disk.
    """
    contract = contracts()[table]
    return [
        _write(contract, values, part.drop_columns(list(values)), is_durable)
        for values, part in _by_partition(shaped(rows, contract), list(contract.partition_by))
    ]


def commit_files(table: str, files: Sequence[WrittenFile], tag: BatchTag, **more: Any) -> bool:
    """Add the files in one commit; False, with nothing committed, when it holds this batch or a later one.

    `more`: what the commit notes besides the tag.
    """
    if is_written(table, tag):
        return False
    _commit(table, files, tag.text(**more), "append", [Transaction(tag.application, tag.batch_id)])
    return True


def append_batch(table: str, rows: Rows, tag: BatchTag, **more: Any) -> bool:
    """`commit_files` of these rows."""
    return commit_files(table, write_files(table, rows), tag, **more)


def replace_all(table: str, rows: Rows, tag: BatchTag) -> None:
    """Replace all rows of a table without partition columns in one commit."""
    _commit(table, write_files(table, rows), tag.text(), "overwrite", [])


def _commit(
    table: str, files: Sequence[WrittenFile], tag: str, mode: str, transactions: list[Transaction]
) -> None:
    opened = cached_table(table)
    opened.create_write_transaction(
        [file.action for file in files],
        mode,
        opened.schema(),
        list(contracts()[table].partition_by) or None,
        commit_properties=CommitProperties(custom_metadata={"lumbung": tag}, app_transactions=transactions),
    )
    opened.update_incremental()  # to the version that it has made
    note_write(settings().lake_root)


def _by_partition(rows: pa.Table, by: list[str]) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Values of the partition columns, and the rows that have them."""
    if not by:
        yield {}, rows
        return
    values = rows.group_by(by, use_threads=False).aggregate([]).to_pylist()
    if len(values) == 1:
        yield values[0], rows
        return
    for value in values:
        condition = None
        for name, wanted in value.items():
            matches = pc.field(name).is_null() if wanted is None else pc.field(name) == wanted
            condition = matches if condition is None else condition & matches
        yield value, rows.filter(condition)


def _write(contract: Contract, values: dict[str, Any], rows: pa.Table, is_durable: bool) -> WrittenFile:
    texts = {name: None if value is None else str(value) for name, value in values.items()}
    folders = [
        f"{name}={NULL_FOLDER if text is None else quote(text, safe='')}" for name, text in texts.items()
    ]
    path = "/".join([*folders, f"part-{uuid.uuid4()}.snappy.parquet"])
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="snappy", store_schema=False)
    content = sink.getvalue()
    _store(table_uri(contract.table), path, content, is_durable)
    milliseconds = time.time_ns() // 1_000_000
    return WrittenFile(path, content.size, texts, milliseconds, _statistics(rows, contract))


def _store(table: str, path: str, content: pa.Buffer, is_durable: bool) -> None:
    if "://" in table:
        stream: Any = DeltaFileSystemHandler(table).open_output_stream(path)
        stream.write(content.to_pybytes())
        stream.close()
        return
    file = Path(table) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.write(content)
        if is_durable:
            out.flush()
            os.fsync(out.fileno())


def _statistics(rows: pa.Table, contract: Contract) -> str:
    """Number of rows, and least value, greatest value and nulls of the columns that files are skipped by."""
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    nulls = {}
    for name in columns_with_statistics(contract):
        if name not in rows.column_names:  # a partition column
            continue
        column = rows[name]
        nulls[name] = column.null_count
        bounds = pc.min_max(column).as_py()
        infinite = [
            bound for bound in bounds.values() if isinstance(bound, float) and not math.isfinite(bound)
        ]
        if bounds["min"] is None or infinite:
            continue
        least[name] = _json_value(bounds["min"])
        greatest[name] = _upper_bound(bounds["max"])
    whole = {"numRecords": rows.num_rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}
    return json.dumps(whole)


def _upper_bound(greatest: Any) -> Any:
    """The value, of a long text a bound of it. A file without bounds next to one with them is never read.

    delta-rs compares with null there, so that a filter leaves the file out.
    """
    if isinstance(greatest, str) and len(greatest) > LONGEST_BOUND:
        return greatest[:LONGEST_BOUND] + LAST_CHARACTER
    return _json_value(greatest)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value[:LONGEST_BOUND] if isinstance(value, str) else value
