"""Verification of a chain: its links, then the rows that each record covers, against the current tables."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from lakehouse.io import ledger_head, table_files
from lakehouse.ledger.chain import (
    COMPACTION,
    TABLE,
    ChainFault,
    ChainState,
    Record,
    awaits_head,
    fault_of,
    head_fault,
)
from lakehouse.ledger.verify import RowFault, rows_faults
from serving_api.reads.ledger.ledger_tables import UNREADABLE, FileStates, LedgerTables

WINDOW_ROWS = 100_000  # what is held in memory at once
WINDOW_RECORDS = 5_000


@dataclass(frozen=True)
class ChainVerdict:
    """The result of a check. `rows`: number of rows of the covered tables that the chain covers."""

    chain: str
    length: int
    head_hash: str | None
    rows: int
    fault: ChainFault | None
    checked_at: datetime
    newest: datetime | None  # time of the newest record
    versions: dict[str, int]

    @property
    def valid(self) -> bool:
        return self.fault is None


@dataclass
class VerifiedPart:
    """The part of a chain that was found valid, and the files it was read from."""

    books: ChainState
    files: dict[str, FileStates] = field(default_factory=dict)
    upto: dict[str, datetime] = field(default_factory=dict)  # table -> time of the newest verified batch

    def is_unchanged(self, lake: LedgerTables) -> bool:
        """Whether every file that was read is unchanged, and no row was added to what was verified."""
        same = all(known <= lake.files.get(name, frozenset()) for name, known in self.files.items())
        return same and all(
            lake.count_upto(name, self.upto.get(name)) == self.books.of(name).rows for name in lake.bound
        )


class Verifier:
    """Verifies the chains of one lake.

    It continues from what it has found valid as long as those files are unchanged.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._verified: dict[str, VerifiedPart] = {}

    def check(self, chain: str) -> ChainVerdict:
        """Linear in what is new, or in everything when a file changed.

        The published head is read before the tables.
        """
        now = datetime.now(UTC)
        head = self._published(chain)
        lake = LedgerTables(self._root, chain)
        try:
            return self._check(lake, head, now)
        except UNREADABLE as error:
            self._verified.pop(chain, None)
            fault = ChainFault(0, "unreadable", f"{TABLE} cannot be read: {error}")
            return ChainVerdict(chain, 0, None, 0, fault, now, None, lake.versions)

    def _check(
        self, lake: LedgerTables, head: ledger_head.Head | ChainFault | None, now: datetime
    ) -> ChainVerdict:
        chain = lake.chain
        index = lake.records(columns=["index"])["index"]
        verified = self._start(chain, lake, index)
        first = verified.books.length
        if head is None and len(index):
            head = self._published(chain)  # the first records were appended just now
        link_faults = (
            check_links(lake, verified.books, index),
            check_head(lake, head, len(index)),
            check_notes(len(index)),
        )
        faults = [fault for fault in link_faults if fault]
        trusted = min([fault.index for fault in faults], default=verified.books.length)
        for table in lake.bound:
            if fault := check_rows(lake, table, first, trusted, verified.upto, cut=bool(faults)):
                faults.append(fault)
        first_fault = min(faults, key=lambda fault: fault.index, default=None)
        if first_fault is None:
            books = copy.deepcopy(verified.books)
            self._verified[chain] = VerifiedPart(books, lake.files, dict(verified.upto))
        else:
            self._verified.pop(chain, None)
        rows = sum(books.rows for books in verified.books.tables.values())
        newest = lake.records(pc.field("index") == len(index) - 1, ["hash", "timestamp"]).to_pylist()[-1:]
        head_hash = newest[0]["hash"] if newest else None
        time = newest[0]["timestamp"] if newest else None
        return ChainVerdict(chain, len(index), head_hash, rows, first_fault, now, time, lake.versions)

    def _start(self, chain: str, lake: LedgerTables, index: Any) -> VerifiedPart:
        """A copy of the part that need not be read again."""
        before = self._verified.get(chain)
        if before and before.is_unchanged(lake):
            length = before.books.length
            if len(index) >= length and (not length or index[length - 1].as_py() == length - 1):
                return copy.deepcopy(before)
        return VerifiedPart(ChainState(chain))

    @staticmethod
    def _published(chain: str) -> ledger_head.Head | ChainFault | None:
        try:
            return ledger_head.published().get(chain)
        except ValueError as error:
            return ChainFault(0, "head", str(error))


def check_head(
    lake: LedgerTables, head: ledger_head.Head | ChainFault | None, length: int
) -> ChainFault | None:
    """The fault of a chain that does not hold the published head."""
    if isinstance(head, ChainFault):
        return head
    if head is None:
        began = lake.records(pc.field("index") == 0, ["timestamp"])["timestamp"].to_pylist()
        is_new = awaits_head(began[0] if began else None, ledger_head.newest()[0])
        return None if is_new else head_fault(None, length, None)
    hashes = lake.records(pc.field("index") == head[0], ["hash"])["hash"].to_pylist()
    return head_fault(head, length, hashes[0] if hashes else None)


def check_notes(length: int) -> ChainFault | None:
    """The fault of a ledger whose files are not those that were noted: its newest commits may be gone."""
    faults = table_files.faults(TABLE)
    return ChainFault(length, "files", f"{TABLE}: {'; '.join(faults[:3])}") if faults else None


def windows(weights: Iterable[tuple[Any, int | None]]) -> Iterator[tuple[Any, Any]]:
    """(first, last) key of runs of (key, rows) that fit into memory; equal keys stay together."""
    first: Any = None
    previous: Any = None
    rows = 0
    records = 0
    for key, weight in weights:
        full = rows + (weight or 0) > WINDOW_ROWS or records >= WINDOW_RECORDS
        if records and key != previous and full:
            yield first, previous
            first = None
            rows = 0
            records = 0
        first = key if first is None else first
        rows += weight or 0
        records += 1
        previous = key
    if records:
        yield first, previous


def check_links(lake: LedgerTables, books: ChainState, index: Any) -> ChainFault | None:
    """The first record that does not follow from the previous one. `books` ends at the last one that does."""
    if index.null_count:
        return ChainFault(len(index) - index.null_count, "gap", "a record has lost its index")
    try:
        counts = lake.records(pc.field("index") >= books.length, ["index", "rows"])
        for first, last in windows(zip(counts["index"].to_pylist(), counts["rows"].to_pylist(), strict=True)):
            within = (pc.field("index") >= first) & (pc.field("index") <= last)
            for record in lake.records(within).to_pylist():
                if fault := fault_of(record, books):
                    return fault
                books.advance(record)
    except UNREADABLE as error:
        return ChainFault(books.length, "unreadable", f"{TABLE} cannot be read: {error}")
    return None


def check_rows(
    lake: LedgerTables, table: str, first: int, end: int, upto: dict[str, datetime], cut: bool
) -> ChainFault | None:
    """The first record in [first, end) whose rows are not as recorded.

    `upto` moves to the last record that is valid. `cut`: records from `end` on cannot be trusted or are
    missing.
    """
    within_chain = (pc.field("index") >= first) & (pc.field("index") < end)
    of_table = (pc.field("table") == table) & (pc.field("kind") != COMPACTION) & within_chain
    counts = lake.records(of_table, ["batch_time", "rows"]).sort_by("batch_time")
    weights = zip(counts["batch_time"].to_pylist(), counts["rows"].to_pylist(), strict=True)
    for begin, last in windows(weights):
        within = (pc.field("batch_time") >= begin) & (pc.field("batch_time") <= last)
        order = [("batch_time", "ascending"), ("index", "ascending")]
        records: list[Record] = lake.records(of_table & within).sort_by(order).to_pylist()
        try:
            faults = rows_faults(records, lake.rows(table, upto.get(table), last, records), cut)
        except UNREADABLE as error:
            return ChainFault(records[0]["index"], "unreadable", f"{table} cannot be read: {error}")
        if faults:
            return with_event_id(lake, min(faults, key=lambda row_fault: row_fault.fault.index))
        upto[table] = last
    return None


def with_event_id(lake: LedgerTables, row_fault: RowFault) -> ChainFault:
    """The fault with the event id of the row that is gone, if bronze still has it."""
    fault = row_fault.fault
    if row_fault.missing is None:
        return fault
    event_id = lake.event_id_of(row_fault.missing, row_fault.time)
    return ChainFault(fault.index, fault.reason, fault.detail, event_id)
