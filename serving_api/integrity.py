"""Verifying a chain: every link, then the rows that each record covers, against the tables as they are now."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from conf import ledger_head
from lakehouse.ledger import COMPACTION, TABLE, Books, Fault, Record, fault_of, head_fault
from lakehouse.ledger_check import RowFault, rows_faults
from serving_api.ledger_lake import UNREADABLE, Files, LedgerLake

WINDOW_ROWS, WINDOW_RECORDS = 100_000, 5_000  # what is held in memory at once


@dataclass(frozen=True)
class Verdict:
    """What was found, and when. `rows`: how many rows of the bound tables the chain covers."""

    chain: str
    length: int
    head_hash: str | None
    rows: int
    fault: Fault | None
    checked_at: datetime
    newest: datetime | None  # time of the newest record
    versions: dict[str, int]

    @property
    def valid(self) -> bool:
        return self.fault is None


@dataclass
class Verified:
    """How far a chain was found valid, and in which files."""

    books: Books
    files: dict[str, Files] = field(default_factory=dict)
    upto: dict[str, datetime] = field(default_factory=dict)  # table -> time of the newest batch whose rows were verified

    def still_holds(self, lake: LedgerLake) -> bool:
        """Whether every file that was read is there unchanged and nothing was slipped in behind what was verified."""
        same = all(held <= lake.files.get(name, frozenset()) for name, held in self.files.items())
        return same and all(lake.count_upto(name, self.upto.get(name)) == self.books.of(name).rows for name in lake.bound)


class Verifier:
    """Verifies the chains of one lake; goes on from what it has found valid as long as those files are the same."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._verified: dict[str, Verified] = {}

    def check(self, chain: str) -> Verdict:
        """Linear in what is new, or in everything when a file changed. The published head is read before the tables."""
        now, head = datetime.now(UTC), self._published(chain)
        lake = LedgerLake(self._root, chain)
        try:
            return self._check(lake, head, now)
        except UNREADABLE as error:
            self._verified.pop(chain, None)
            fault = Fault(0, "unreadable", f"{TABLE} cannot be read: {error}")
            return Verdict(chain, 0, None, 0, fault, now, None, lake.versions)

    def _check(self, lake: LedgerLake, head: ledger_head.Head | Fault | None, now: datetime) -> Verdict:
        chain = lake.chain
        index = lake.records(columns=["index"])["index"]
        done = self._done(chain, lake, index)
        first = done.books.length
        faults = [fault for fault in (links(lake, done.books, index), told_by_head(lake, head, len(index))) if fault]
        trusted = min([fault.index for fault in faults], default=done.books.length)
        for table in lake.bound:
            if fault := covered_rows(lake, table, first, trusted, done.upto, cut=bool(faults)):
                faults.append(fault)
        fault = min(faults, key=lambda one: one.index, default=None)
        if fault is None:
            self._verified[chain] = Verified(copy.deepcopy(done.books), lake.files, dict(done.upto))
        else:
            self._verified.pop(chain, None)
        rows = sum(books.rows for books in done.books.tables.values())
        last = lake.records(pc.field("index") == len(index) - 1, ["hash", "timestamp"]).to_pylist()[-1:]
        known, newest = (last[0]["hash"], last[0]["timestamp"]) if last else (None, None)
        return Verdict(chain, len(index), known, rows, fault, now, newest, lake.versions)

    def _done(self, chain: str, lake: LedgerLake, index: Any) -> Verified:
        """What need not be read again."""
        before = self._verified.get(chain)
        if before and before.still_holds(lake):
            length = before.books.length
            if len(index) >= length and (not length or index[length - 1].as_py() == length - 1):
                return copy.deepcopy(before)
        return Verified(Books(chain))

    @staticmethod
    def _published(chain: str) -> ledger_head.Head | Fault | None:
        try:
            return ledger_head.published().get(chain)
        except ValueError as error:
            return Fault(0, "head", str(error))


def told_by_head(lake: LedgerLake, head: ledger_head.Head | Fault | None, length: int) -> Fault | None:
    """Whether the published head is in the chain."""
    if head is None or isinstance(head, Fault):
        return head
    there = lake.records(pc.field("index") == head[0], ["hash"])["hash"].to_pylist()
    return head_fault(head, length, there[0] if there else None)


def windows(weights: Iterable[tuple[Any, int | None]]) -> Iterator[tuple[Any, Any]]:
    """(first, last) key of runs of (key, rows) that fit into memory; equal keys stay together."""
    first, rows, records, before = None, 0, 0, None
    for key, weight in weights:
        if records and key != before and (rows + (weight or 0) > WINDOW_ROWS or records >= WINDOW_RECORDS):
            yield first, before
            first, rows, records = None, 0, 0
        first = key if first is None else first
        rows, records, before = rows + (weight or 0), records + 1, key
    if records:
        yield first, before


def links(lake: LedgerLake, books: Books, index: Any) -> Fault | None:
    """The first record that does not follow from the one before it. `books` is left at the last that does."""
    if index.null_count:
        return Fault(len(index) - index.null_count, "gap", "a record has lost its index")
    try:
        narrow = lake.records(pc.field("index") >= books.length, ["index", "rows"])
        for first, last in windows(zip(narrow["index"].to_pylist(), narrow["rows"].to_pylist(), strict=True)):
            for record in lake.records((pc.field("index") >= first) & (pc.field("index") <= last)).to_pylist():
                if fault := fault_of(record, books):
                    return fault
                books.take(record)
    except UNREADABLE as error:
        return Fault(books.length, "unreadable", f"{TABLE} cannot be read: {error}")
    return None


def covered_rows(lake: LedgerLake, table: str, first: int, end: int, upto: dict[str, datetime], cut: bool) -> Fault | None:
    """The first record in [first, end) whose rows are not as recorded; `upto` is moved to the last that are.

    `cut`: records from `end` on cannot be trusted or are gone.
    """
    within_chain = (pc.field("index") >= first) & (pc.field("index") < end)
    of_table = (pc.field("table") == table) & (pc.field("kind") != COMPACTION) & within_chain
    narrow = lake.records(of_table, ["batch_time", "rows"]).sort_by("batch_time")
    for begin, last in windows(zip(narrow["batch_time"].to_pylist(), narrow["rows"].to_pylist(), strict=True)):
        within = (pc.field("batch_time") >= begin) & (pc.field("batch_time") <= last)
        records: list[Record] = (
            lake.records(of_table & within).sort_by([("batch_time", "ascending"), ("index", "ascending")]).to_pylist()
        )
        try:
            faults = rows_faults(records, lake.rows(table, upto.get(table), last, records), cut)
        except UNREADABLE as error:
            return Fault(records[0]["index"], "unreadable", f"{table} cannot be read: {error}")
        if faults:
            fault = min(faults, key=lambda one: one.fault.index)
            return named(lake, fault)
        upto[table] = last
    return None


def named(lake: LedgerLake, found: RowFault) -> Fault:
    """The fault with the name of the row that is gone, if bronze still has it."""
    if found.missing is None:
        return found.fault
    fault = found.fault
    return Fault(fault.index, fault.reason, fault.detail, lake.name_of(found.missing, found.time))
