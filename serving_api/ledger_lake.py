"""A chain and the tables that it is bound to, opened together, with what tells whether their files are still the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as fs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.ledger import TABLE, Record
from lakehouse.ledger_check import covered_columns_of
from lakehouse.ledger_rows import PLACE, bound_tables, id_print
from lakehouse.paths import table_path

UNREADABLE = (DeltaError, OSError, pa.ArrowException, UnicodeDecodeError)  # a file that is gone, cut, or no Parquet any more
LOCAL = fs.LocalFileSystem()
Files = frozenset[tuple[str, int, int, int]]
TIME = "ingested_at"


def opened(root: str, table: str) -> DeltaTable | None:
    """None before the table is made."""
    try:
        return DeltaTable(table_path(root, table))
    except TableNotFoundError:
        return None


def dataset_of(root: str, name: str, table: DeltaTable) -> Any:
    """The table's files as they are: the log's idea of their sizes would make one that was replaced merely unreadable."""
    return table.to_pyarrow_dataset(filesystem=None if "://" in root else fs.SubTreeFileSystem(table_path(root, name), LOCAL))


def files_of(table: DeltaTable | None) -> Files:
    """(path, bytes, modified, changed) of each data file; times in nanoseconds, zero where the file is not on a local disk."""
    found = set()
    for uri in table.file_uris() if table else []:
        file = Path(uri)
        stat = file.stat() if file.exists() else None
        found.add((uri, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) if stat else (uri, 0, 0, 0))
    return frozenset(found)


@dataclass
class LedgerLake:
    """The ledger is opened first: what it records is then in the tables."""

    root: str
    chain: str

    def __post_init__(self) -> None:
        self.bound = {bound.table: bound for bound in bound_tables() if bound.chain == self.chain}
        self.tables = {name: opened(self.root, name) for name in (TABLE, *self.bound)}
        self.files = {name: files_of(table) for name, table in self.tables.items()}
        self.versions = {name: table.version() for name, table in self.tables.items() if table}

    def records(self, wanted: pc.Expression | None = None, columns: Sequence[str] = ()) -> pa.Table:
        """Records of the chain by index; all columns, or `columns` and the index."""
        ledger = self.tables[TABLE]
        if ledger is None:
            return arrow_schema(contracts()[TABLE]).empty_table()
        of_chain = pc.field("chain") == self.chain
        return (
            dataset_of(self.root, TABLE, ledger)
            .to_table(
                columns=sorted({"index", *columns}) if columns else None,
                filter=of_chain if wanted is None else of_chain & wanted,
            )
            .sort_by("index")
        )

    def rows(self, table: str, after: datetime | None, upto: datetime, records: Sequence[Record]) -> pa.Table:
        """Rows of a bound table in (after, upto], from the beginning and with those without a time when `after` is None."""
        held = self.tables[table]
        if held is None:
            return pa.table({name: pa.array([], pa.string()) for name in (*PLACE, TIME)})
        dataset = dataset_of(self.root, table, held)
        wanted = {*PLACE, TIME, *covered_columns_of(records)}
        within = pc.field(TIME) <= upto
        within = within | pc.field(TIME).is_null() if after is None else within & (pc.field(TIME) > after)
        return dataset.to_table(
            columns=[name for name in dataset.schema.names if name in wanted], filter=self.bound[table].among(within)
        )

    def count_upto(self, table: str, upto: datetime | None) -> int:
        """Rows of a bound table that are not later than a time, those without one included."""
        held = self.tables[table]
        if held is None or upto is None:
            return 0
        wanted = self.bound[table].among((pc.field(TIME) <= upto) | pc.field(TIME).is_null())
        return int(dataset_of(self.root, table, held).count_rows(filter=wanted))

    def name_of(self, missing: bytes, time: datetime) -> str | None:
        """The event id that has the print and is gone from silver, by bronze: looked for in its batch first, then everywhere."""
        bronze = opened(self.root, "bronze.events")
        for batch in self._ids(bronze, pc.field(TIME) == time), self._ids(bronze, None):
            for event_id in batch:
                if id_print(event_id) == missing:
                    return event_id
        return None

    @staticmethod
    def _ids(bronze: DeltaTable | None, wanted: Any) -> Iterator[str]:
        if bronze is not None:
            for batch in bronze.to_pyarrow_dataset().to_batches(columns=["event_id"], filter=wanted):
                yield from (one for one in batch["event_id"].to_pylist() if one is not None)
