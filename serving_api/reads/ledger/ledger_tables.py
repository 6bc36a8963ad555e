"""A chain and the tables that it covers, opened together, with the state of their files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as fs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.event import id_of_sender, sender_of
from lakehouse.io.delta import open_if_exists
from lakehouse.ledger.chain import TABLE, Record
from lakehouse.ledger.leaves import LEAF_COLUMNS, bound_tables, id_print
from lakehouse.ledger.verify import covered_columns_of
from lakehouse.paths import table_path

UNREADABLE = (DeltaError, OSError, pa.ArrowException, UnicodeDecodeError)  # missing, truncated or not Parquet
LOCAL = fs.LocalFileSystem()
FileStates = frozenset[tuple[str, int, int, int]]  # (path, bytes, modified, changed) of each file
TIME = "ingested_at"


def dataset_of(root: str, name: str, table: DeltaTable) -> Any:
    """The table's files with their actual sizes.

    With the sizes from the log, a file that was replaced would be reported as unreadable only.
    """
    return table.to_pyarrow_dataset(
        filesystem=None if "://" in root else fs.SubTreeFileSystem(table_path(root, name), LOCAL)
    )


def file_states(table: DeltaTable | None) -> FileStates:
    """The state of each data file; times in nanoseconds, zeros for a file that is not on a local disk."""
    states = set()
    for uri in table.file_uris() if table else []:
        file = Path(uri)
        stat = file.stat() if file.exists() else None
        states.add((uri, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) if stat else (uri, 0, 0, 0))
    return frozenset(states)


@dataclass
class LedgerTables:
    """The ledger is opened first: what it records is then in the other tables."""

    root: str
    chain: str

    def __post_init__(self) -> None:
        self.bound = {bound.table: bound for bound in bound_tables() if bound.chain == self.chain}
        self.tables = {name: open_if_exists(name, root=self.root) for name in (TABLE, *self.bound)}
        self.files = {name: file_states(table) for name, table in self.tables.items()}
        self.versions = {name: table.version() for name, table in self.tables.items() if table}

    def records(self, condition: pc.Expression | None = None, columns: Sequence[str] = ()) -> pa.Table:
        """Records of the chain by index; all columns, or `columns` and the index."""
        ledger = self.tables[TABLE]
        if ledger is None:
            return arrow_schema(contracts()[TABLE]).empty_table()
        of_chain = pc.field("chain") == self.chain
        rows = dataset_of(self.root, TABLE, ledger).to_table(
            columns=sorted({"index", *columns}) if columns else None,
            filter=of_chain if condition is None else of_chain & condition,
        )
        return rows.sort_by("index")

    def rows(self, table: str, after: datetime | None, upto: datetime, records: Sequence[Record]) -> pa.Table:
        """Rows of a covered table in (after, upto].

        With `after` None: from the beginning, together with the rows that have no time.
        """
        delta = self.tables[table]
        if delta is None:
            return pa.table({name: pa.array([], pa.string()) for name in (*LEAF_COLUMNS, TIME)})
        dataset = dataset_of(self.root, table, delta)
        needed = {*LEAF_COLUMNS, TIME, *covered_columns_of(records)}
        within = pc.field(TIME) <= upto
        within = within | pc.field(TIME).is_null() if after is None else within & (pc.field(TIME) > after)
        return dataset.to_table(
            columns=[name for name in dataset.schema.names if name in needed],
            filter=self.bound[table].among(within),
        )

    def count_upto(self, table: str, upto: datetime | None) -> int:
        """Number of rows of a covered table up to a time, those without a time included."""
        delta = self.tables[table]
        if delta is None or upto is None:
            return 0
        condition = self.bound[table].among((pc.field(TIME) <= upto) | pc.field(TIME).is_null())
        return int(dataset_of(self.root, table, delta).count_rows(filter=condition))

    def event_id_of(self, missing: bytes, time: datetime) -> str | None:
        """The event id with this fingerprint that is gone from silver; None when bronze has lost it too.

        It may be that of a sender who was not the first to use an id. Bronze is searched for it in the batch
        of `time` first, then in all batches.
        """
        bronze = open_if_exists("bronze.events", root=self.root)
        for ids in self._event_ids(bronze, pc.field(TIME) == time), self._event_ids(bronze, None):
            for event_id in ids:
                if id_print(event_id) == missing:
                    return event_id
        return None

    @staticmethod
    def _event_ids(bronze: DeltaTable | None, condition: pc.Expression | None) -> Iterator[str]:
        if bronze is not None:
            columns = ["event_id", "source"]
            for batch in bronze.to_pyarrow_dataset().to_batches(columns=columns, filter=condition):
                for event_id, source in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                    if event_id is not None:
                        yield event_id
                        yield id_of_sender(event_id, sender_of(source or ""))
