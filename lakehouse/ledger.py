"""The hash chain of gold.ledger: how a record follows from the one before it, and what is wrong with one that does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.canonical import canonical, digest
from lakehouse.contract import contracts
from lakehouse.merkle import Frontier, leaf_hash

TABLE = "gold.ledger"
CHAINS = ("price", "trade")
GENESIS = "0" * 64  # previous_hash of record 0
COMPACTION = "compaction"
Record = dict[str, Any]  # a row of gold.ledger


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong. `event_id`: of the first altered row, None when it cannot be told."""

    index: int
    reason: str  # hash, gap, link, payload, rows, root, truncated, head, unreadable
    detail: str
    event_id: str | None = None


@dataclass
class TableBooks:
    """What a chain has recorded of one table: rows, and a tree over the roots of its batches."""

    rows: int = 0
    frontier: Frontier = field(default_factory=Frontier)
    version: int = -1  # newest Delta version on record
    compacted: int = -1  # the same of compactions


@dataclass
class Books:
    """Where a chain stands; everything needed to append to it or to go on verifying it."""

    chain: str
    length: int = 0
    head_hash: str = GENESIS
    head_event_id: str | None = None
    timestamp: datetime | None = None
    tables: dict[str, TableBooks] = field(default_factory=dict)

    def of(self, table: str) -> TableBooks:
        """The books of one table."""
        return self.tables.setdefault(table, TableBooks())

    def take(self, record: Mapping[str, Any]) -> None:
        """Enter a record that follows."""
        self.length += 1
        self.head_hash, self.head_event_id, self.timestamp = record["hash"], record["event_id"], record["timestamp"]
        table = self.of(record["table"])
        table.version = max(table.version, record["delta_version"])
        if record["kind"] == COMPACTION:
            table.compacted = max(table.compacted, record["delta_version"])
        else:
            table.rows += record["rows"]
            table.frontier.add(leaf_hash(bytes.fromhex(record["merkle_root"])))

    def append(self, draft: Mapping[str, Any], now: datetime) -> Record:
        """The draft as the next record, entered. A compaction's rows and root are those of the books so far.

        `draft`: kind, event_id, payload (canonical JSON text), actor, table, delta_version, rows, merkle_root,
        rule_set_fingerprint, batch_time, fingerprints.
        """
        record: Record = {**dict.fromkeys(contracts()[TABLE].column_names), **draft}
        if record["kind"] == COMPACTION:
            record |= {"rows": self.of(record["table"]).rows, "merkle_root": self.of(record["table"]).frontier.root.hex()}
        record |= {
            "chain": self.chain,
            "index": self.length,
            "previous_hash": self.head_hash,
            "timestamp": max(now, self.timestamp or now),  # a clock that was set back does not turn the order round
            "payload_hash": digest(record["payload"].encode()),
        }
        record["hash"] = record_hash(record)
        self.take(record)
        return record


def record_hash(record: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical record without its hash."""
    return digest(canonical({name: value for name, value in record.items() if name != "hash"}))


def _whole(record: Mapping[str, Any]) -> bool:
    """Whether the record hashes to its hash; values that have no canonical form were never written by us."""
    try:
        return bool(record_hash(record) == record["hash"])
    except (TypeError, ValueError):
        return False


def fault_of(record: Mapping[str, Any], books: Books) -> Fault | None:
    """What is wrong with the record that should follow `books`; None when it follows.

    A link that does not fit while the record itself is whole means that the one before it was made anew: that one is named.
    """
    index, event_id = books.length, record["event_id"]
    if record["index"] != index:
        at = min(index, record["index"])
        return Fault(at, "gap", f"record {index} is missing or doubled: {record['index']} stands in its place", event_id)
    if not _whole(record):
        return Fault(index, "hash", f"record {index} was altered after it was written", event_id)
    if record["previous_hash"] != books.head_hash:
        before = f"record {index} names another hash for the record before it, which was made anew"
        return Fault(max(index - 1, 0), "link", before, books.head_event_id if index else event_id)
    if digest((record["payload"] or "").encode()) != record["payload_hash"]:
        return Fault(index, "payload", f"the payload of record {index} is not the one that was hashed", event_id)
    if record["kind"] == COMPACTION:
        table = books.of(record["table"])
        if record["rows"] != table.rows:
            return Fault(index, "rows", f"a merge of files left {record['rows']} rows, {table.rows} were recorded")
        if record["merkle_root"] != table.frontier.root.hex():
            return Fault(index, "root", "a merge of files has another root than the batches before it")
    return None


def head_fault(published: tuple[int, str] | None, length: int, hash_there: str | None) -> Fault | None:
    """What the published head (index, hash) says of a chain of `length` records whose record at that index has `hash_there`."""
    if published is None:
        return None
    index, known = published
    if index >= length:
        return Fault(length, "truncated", f"record {index} was published, the chain ends after {length} records")
    if hash_there != known:
        return Fault(index, "head", f"record {index} is not the one that was published: the chain was made anew up to here")
    return None
