"""Delta tables: open, create, evolve, append, replace, mark, compact, vacuum. No other module writes one."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from conf.settings import settings
from lakehouse.arrow import KEPT_LOG, LOG_RETENTION, arrow_schema, column_comment, creation, missing_columns
from lakehouse.contracts.contract import Contract, contracts
from lakehouse.paths import table_path

log = logging.getLogger("lumbung.delta")
EMPTIED_TAG = {"emptied": True}
Rows: TypeAlias = pa.Table | Sequence[Mapping[str, Any]]
Positions: TypeAlias = dict[str, dict[str, int]]  # topic -> partition -> next offset
# Application transactions outlive the cleaning of the log; a commit's user metadata does not.
HIGH_WATER_MARK = "lumbung/upto"  # newest batch time that the table holds, microseconds since 1970
MADE_FROM = "lumbung/written"  # fingerprint of what the last write was computed from
REBUILT = "lumbung/rebuilt"  # microseconds since 1970: when a rebuild last exchanged rows
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_BACK_COMMITS = 30  # a batch's own commit may lie below compactions and checkpoints that followed it


class StoredTable(DeltaTable):
    """A Delta table whose local files Arrow reads itself.

    The file system of delta-rs calls Python: a scan that is left unfinished, as by LIMIT, goes on in threads
    of Arrow, and a process that ends meanwhile crashes or waits for ever.
    """

    def to_pyarrow_dataset(self, *args: Any, **more: Any) -> ds.Dataset:
        """See DeltaTable.to_pyarrow_dataset."""
        if more.get("filesystem") is None:  # to_pyarrow_table hands on a None
            more["filesystem"] = local_files(self.table_uri)
        return super().to_pyarrow_dataset(*args, **more)


def local_files(uri: str) -> SubTreeFileSystem | None:
    """The files of a table in a local folder, by paths below it; None for one on an object store."""
    address = urlsplit(uri)
    if address.scheme == "file":
        return SubTreeFileSystem(unquote(address.path), LocalFileSystem())
    return None if "://" in uri else SubTreeFileSystem(uri, LocalFileSystem())


def table_uri(table: str) -> str:
    """Path or URL of a table of the configured lake."""
    return table_path(settings().lake_root, table)


def table_exists(table: str) -> bool:
    """Whether the table has a first commit."""
    return DeltaTable.is_deltatable(table_uri(table))


def open_table(table: str, version: int | None = None, root: str | None = None) -> DeltaTable:
    """The table at its newest or a given version. Raises TableNotFoundError before its first commit."""
    return StoredTable(table_path(root or settings().lake_root, table), version=version)


def open_if_exists(table: str, version: int | None = None, root: str | None = None) -> DeltaTable | None:
    """The table at its newest or a given version; None before its first commit."""
    try:
        return open_table(table, version, root)
    except TableNotFoundError:
        return None


def cached_table(table: str) -> DeltaTable:
    """The newest version of a table that only this thread writes. Opening a table takes 10 to 30 ms."""
    uri = table_uri(table)
    cached = _cache.get(uri)
    if cached is None:
        cached = _cache[uri] = StoredTable(uri)
    elif not _is_newest(cached, uri):
        cached.update_incremental()
    return cached


def _is_newest(opened: DeltaTable, uri: str) -> bool:
    """Whether no version follows, for two system calls: an update lists the log, 1 ms for 1,000 commits."""
    if "://" in uri:
        return False
    own, next_one = (f"{uri}/_delta_log/{opened.version() + nth:020}.json" for nth in (0, 1))
    # Commits are removed oldest first: while its own is there, so is the next one.
    return os.path.exists(own) and not os.path.exists(next_one)  # noqa: PTH110 (pathlib takes thrice as long)


def written_version(table: str) -> int:
    """Newest version of a table that only this process writes, by `append_rows` and `replace_rows`.

    Without a look at its log, which takes 1 ms.
    """
    cached = _cache.get(table_uri(table))
    return (cached_table(table) if cached is None else cached).version()


def clear_cache() -> None:
    """Forget opened tables, so that the next call reads what is on disk."""
    _cache.clear()


_cache: dict[str, DeltaTable] = {}  # by URI


def create_tables() -> None:
    """Create every table of the contracts that does not exist, and every column that is new in a contract.

    Damage to a table of another process keeps only that process from its work: it is logged.
    """
    for table, contract in contracts().items():
        try:
            ensure_table(table)
        except DeltaError as error:
            if contract.refreshed not in ("background", "training"):
                raise
            cause = str(error).partition("\n")[0]
            log.error("%s cannot be opened (%s): ./run.sh doctor names the remedy", table, cause)


def ensure_table(table: str) -> DeltaTable:
    """The table as in its contract: created (reader version 1), columns added, comments up to date.

    Rows that were written before a column was are null there. A table that its writer computes again from
    others is emptied for it instead.
    """
    contract = contracts()[table]
    existing = DeltaTable.create(table_uri(table), **creation(contract))
    current = {column.name: column for column in existing.schema().fields}
    if missing := missing_columns(contract, current):
        existing.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
        if is_computed_again(contract):
            log.warning("%s has columns that its rows lack: it is emptied and written again", table)
            empty_table(table)
    if existing.metadata().configuration.get(LOG_RETENTION) != KEPT_LOG:
        existing.alter.set_table_properties({LOG_RETENTION: KEPT_LOG})
    for column in contract.columns:
        comment = column_comment(column)
        if column.name in current and current[column.name].metadata.get("comment") != comment:
            existing.alter.set_column_metadata(column.name, {"comment": comment})
    return open_table(table)


def is_computed_again(contract: Contract) -> bool:
    """Whether the writer of the table computes all of its rows from other tables once it is empty.

    Copies of rows (`refresh: append`) are kept: reading all of them again would cost more than nulls.
    """
    follows = contract.refreshed in ("seconds", "background") and contract.refresh != "append"
    return follows and not contract.kept_by_rebuild


@dataclass(frozen=True)
class BatchTag:
    """Which micro-batch a commit belongs to; next offsets after it; its time, `ingested_at` of its rows."""

    stream_id: str
    batch_id: int
    offsets: Positions = field(default_factory=dict)
    time: datetime | None = None

    @classmethod
    def of(cls, tag: Mapping[str, Any]) -> "BatchTag":
        """The tag that `text` wrote."""
        time = tag.get("time")
        return cls(tag["stream"], tag["batch"], tag["offsets"], time and datetime.fromisoformat(time))

    def text(self, **more: Any) -> str:
        """JSON for the commit's user metadata, with `more` added."""
        own = {"stream": self.stream_id, "batch": self.batch_id, "offsets": self.offsets}
        return json.dumps(own | ({"time": self.time.isoformat()} if self.time else {}) | more)

    @property
    def application(self) -> str:
        """Name of the stream's application transaction, whose version is the number of the newest batch."""
        return f"lumbung/stream/{self.stream_id}"


def is_written(table: str, tag: BatchTag) -> bool:
    """Whether the table holds this batch or a later one of its stream.

    delta-rs writes the same version again without an error, so it is compared before each commit.
    """
    newest = cached_table(table).transaction_version(tag.application)
    return newest is not None and newest >= tag.batch_id


def tags_of(table: str, limit: int = LOOK_BACK_COMMITS, root: str | None = None) -> list[dict[str, Any]]:
    """Batch tags of the table's newest commits, newest first, each with its `version`; none without a table.

    Maintenance commits carry none. Commits before an `empty_table` are left out: their rows are gone.
    """
    tags: list[dict[str, Any]] = []
    opened = open_if_exists(table, root=root)
    for commit in opened.history(limit) if opened else ():
        tag = tag_of_commit(commit)
        if tag == EMPTIED_TAG:
            break
        if tag:
            tags.append({**tag, "version": commit["version"]})
    return tags


def tag_of_commit(commit: dict[str, Any]) -> dict[str, Any] | None:
    """The tag of an entry of a table's history, written by Spark or delta-rs; None without one."""
    text = commit.get("userMetadata") or commit.get("lumbung")
    tag: dict[str, Any] | None = json.loads(text) if text else None
    return tag


def high_water_mark(table: str | DeltaTable) -> datetime:
    """Time of the newest batch that the table holds, as its writer committed it; 1970 without one."""
    opened = open_table(table) if isinstance(table, str) else table
    return EPOCH + timedelta(microseconds=opened.transaction_version(HIGH_WATER_MARK) or 0)


def append_rows(table: str, rows: Rows, tag: str = "{}", upto: datetime | None = None) -> None:
    """Append rows in one commit. `tag`: JSON for the commit; `upto`: the table's new high-water mark."""
    _write(table, rows, tag, upto, mode="append")


def replace_rows(
    table: str,
    rows: Rows,
    tag: str = "{}",
    predicate: str | None = None,
    upto: datetime | None = None,
    made_from: int | None = None,
    batch: BatchTag | None = None,
    rebuilt: int | None = None,
) -> None:
    """Replace all rows, or those that match the SQL `predicate`, in one commit.

    `made_from`: fingerprint of what they were computed from; `batch`: the newest that the table now holds;
    `rebuilt`: see `rebuilt_at`.
    """
    _write(table, rows, tag, upto, made_from, batch, rebuilt, mode="overwrite", predicate=predicate)


def empty_table(table: str, rebuilt: int | None = None) -> None:
    """Remove all rows in one commit; older versions stay readable until the next vacuum."""
    replace_rows(table, [], json.dumps(EMPTIED_TAG), upto=EPOCH, made_from=0, rebuilt=rebuilt)


def rebuilt_at(table: str) -> int:
    """When a rebuild last exchanged rows of the table, or of what all its rows were computed from since.

    Microseconds since 1970; 0: never.
    """
    return cached_table(table).transaction_version(REBUILT) or 0


def append_once(table: str, rows: Rows, made_from: str) -> bool:
    """Append in one commit; False, with nothing written, when the last write had the same inputs."""
    return _write_once(table, rows, made_from, mode="append")


def replace_once(table: str, rows: Rows, made_from: str, predicate: str | None = None) -> bool:
    """`replace_rows` in one commit; False, with nothing written, when the last write had the same inputs."""
    return _write_once(table, rows, made_from, mode="overwrite", predicate=predicate)


def last_made_from(table: str) -> int | None:
    """Fingerprint of the inputs of the last `append_once` or `replace_once`; None before the first."""
    opened = open_if_exists(table)
    fingerprint: int | None = opened.transaction_version(MADE_FROM) if opened else None
    return fingerprint


def inputs_fingerprint(text: str) -> int:
    """62 bits of the text's SHA-256: what fits into an application transaction."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 2


def _rows_for(table: DeltaTable, rows: Rows, contract: Contract) -> pa.Table:
    """The rows as the stored table takes them: null in columns that the contract no longer names."""
    written = shaped(rows, contract)
    for column in pa.schema(table.schema().to_arrow()):
        if column.name not in contract.column_names:
            written = written.append_column(column.name, pa.nulls(written.num_rows, column.type))
    return written


def shaped(rows: Rows, contract: Contract) -> pa.Table:
    """The contract's columns in its order and types. Raises KeyError when a table lacks one; rows may."""
    if not isinstance(rows, pa.Table):
        return pa.Table.from_pylist(list(rows), schema=arrow_schema(contract))
    return rows.select(contract.column_names).cast(arrow_schema(contract))


def read_rows(table: str) -> pa.Table:
    """All rows in the contract's columns, order and types, whatever an earlier version created.

    A column that the stored table lacks is null; one that the contract does not name is left out.
    """
    contract = contracts()[table]
    schema = arrow_schema(contract)
    stored = open_table(table)
    known = [column.name for column in stored.schema().fields if column.name in schema.names]
    rows = stored.to_pyarrow_table(columns=known)
    return pa.concat_tables([schema.empty_table(), rows], promote_options="permissive").cast(schema)


def read_columns(
    table: str, columns: list[str], condition: ds.Expression | None = None, root: str | None = None
) -> pa.Table | None:
    """Those columns of the rows that match; None before the table's first commit."""
    opened = open_if_exists(table, root=root)
    return None if opened is None else opened.to_pyarrow_dataset().to_table(columns=columns, filter=condition)


def compact(table: str) -> dict[str, Any]:
    """Merge small files up to the knob `lake.compact_target_bytes`. Only the table's writer may call it."""
    metrics: dict[str, Any] = open_table(table).optimize.compact(
        target_size=settings().lake.compact_target_bytes, max_concurrent_tasks=1
    )
    return metrics


def vacuum(table: str) -> int:
    """Remove files that no version within the retention needs; returns their number."""
    opened = open_table(table)
    hours = contracts()[table].retention_hours
    # `full` also lists the folder: files of a task or stream that ended before their commit stand in no log.
    removed = opened.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True)
    return len(removed)


def clean_log(table: str) -> None:
    """Remove commits below the newest checkpoint that are older than KEPT_LOG: every commit lists the log."""
    cached_table(table).cleanup_metadata()


def _write(
    table: str,
    rows: Rows,
    tag: str,
    upto: datetime | None,
    made_from: int | None = None,
    batch: BatchTag | None = None,
    rebuilt: int | None = None,
    **options: Any,
) -> None:
    contract = contracts()[table]
    mark = None if upto is None else (upto - EPOCH) // timedelta(microseconds=1)
    noted = {HIGH_WATER_MARK: mark, MADE_FROM: made_from, REBUILT: rebuilt}
    if batch:
        noted[batch.application] = batch.batch_id
    transactions = [Transaction(name, value) for name, value in noted.items() if value is not None]
    existing = cached_table(table)
    write_deltalake(
        existing,
        _rows_for(existing, rows, contract),
        partition_by=list(contract.partition_by) or None,
        commit_properties=CommitProperties(custom_metadata={"lumbung": tag}, app_transactions=transactions),
        **options,
    )
    note_write(settings().lake_root)


def note_write(root: str) -> None:
    """Change `lake_stamp`, after a commit: the time of the lake's folder becomes now."""
    if "://" not in root:
        with suppress(OSError):  # readers look at each table too, only later
            os.utime(root)


def _write_once(table: str, rows: Rows, made_from: str, **options: Any) -> bool:
    existing = ensure_table(table)
    fingerprint = inputs_fingerprint(made_from)
    if existing.transaction_version(MADE_FROM) == fingerprint:
        return False
    tag = json.dumps({"made_from": made_from})
    _write(table, rows, tag, None, fingerprint, **options)
    _maintain(table)
    return True


def _maintain(table: str) -> None:
    """Compact and vacuum a table whose writer has no maintenance loop of its own."""
    if len(open_table(table).file_uris()) > settings().lake.compact_after_commits:
        began = time.monotonic()
        compact(table)
        vacuum(table)
        clean_log(table)
        log.info("%s: compacted in %.2f s", table, time.monotonic() - began)
