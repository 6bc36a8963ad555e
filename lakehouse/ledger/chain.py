"""The hash chain of gold.ledger: how a record follows from the one before it, and which does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.contracts.contract import contracts
from lakehouse.ledger.canonical import canonical, digest
from lakehouse.ledger.merkle import Frontier, leaf_hash

TABLE = "gold.ledger"
CHAINS = ("price", "trade")
GENESIS = "0" * 64  # previous_hash of record 0
COMPACTION = "compaction"
Record = dict[str, Any]  # a row of gold.ledger


@dataclass(frozen=True)
class ChainFault:
    """The first fault of a chain. `event_id`: of the first altered row, None when it is not known."""

    index: int
    reason: str  # hash, gap, link, payload, rows, root, truncated, head, unreadable
    detail: str
    event_id: str | None = None


@dataclass
class TableState:
    """What a chain has recorded of one table: its rows, and a tree over the roots of its batches."""

    rows: int = 0
    frontier: Frontier = field(default_factory=Frontier)
    version: int = -1  # newest Delta version on record
    compacted: int = -1  # the same of compactions


@dataclass
class ChainState:
    """The end of a chain: everything needed to append to it or to continue verifying it."""

    chain: str
    length: int = 0
    head_hash: str = GENESIS
    head_event_id: str | None = None
    timestamp: datetime | None = None
    tables: dict[str, TableState] = field(default_factory=dict)

    def of(self, table: str) -> TableState:
        """The state of one table."""
        return self.tables.setdefault(table, TableState())

    def advance(self, record: Mapping[str, Any]) -> None:
        """Update the state by the record that follows."""
        self.length += 1
        self.head_hash = record["hash"]
        self.head_event_id = record["event_id"]
        self.timestamp = record["timestamp"]
        table = self.of(record["table"])
        table.version = max(table.version, record["delta_version"])
        if record["kind"] == COMPACTION:
            table.compacted = max(table.compacted, record["delta_version"])
        else:
            table.rows += record["rows"]
            table.frontier.add(leaf_hash(bytes.fromhex(record["merkle_root"])))

    def append(self, draft: Mapping[str, Any], now: datetime) -> Record:
        """The draft as the next record, by which the state advances.

        A compaction keeps the rows and root so far.

        `draft`: kind, event_id, payload (canonical JSON text), actor, table, delta_version, rows,
        merkle_root, rule_set_fingerprint, batch_time, fingerprints.
        """
        record: Record = {**dict.fromkeys(contracts()[TABLE].column_names), **draft}
        if record["kind"] == COMPACTION:
            record |= {
                "rows": self.of(record["table"]).rows,
                "merkle_root": self.of(record["table"]).frontier.root.hex(),
            }
        record |= {
            "chain": self.chain,
            "index": self.length,
            "previous_hash": self.head_hash,
            "timestamp": max(now, self.timestamp or now),  # also in order after a clock was set back
            "payload_hash": digest(record["payload"].encode()),
        }
        record["hash"] = record_hash(record)
        self.advance(record)
        return record


def record_hash(record: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical record without its hash."""
    return digest(canonical({name: value for name, value in record.items() if name != "hash"}))


def _whole(record: Mapping[str, Any]) -> bool:
    """Whether the record hashes to its hash.

    A value without a canonical form was not written by this code.
    """
    try:
        return bool(record_hash(record) == record["hash"])
    except (TypeError, ValueError):
        return False


def fault_of(record: Mapping[str, Any], state: ChainState) -> ChainFault | None:
    """The fault of the record that should follow `state`; None when it follows.

    A record with a correct hash but another `previous_hash` means that the record before it was rewritten:
    that one is reported.
    """
    index = state.length
    event_id = record["event_id"]
    if record["index"] != index:
        at = min(index, record["index"])
        return ChainFault(
            at,
            "gap",
            f"record {index} is missing or doubled: {record['index']} is in its place",
            event_id,
        )
    if not _whole(record):
        return ChainFault(index, "hash", f"record {index} was altered after it was written", event_id)
    if record["previous_hash"] != state.head_hash:
        detail = f"record {index} names another hash for the record before it, which was rewritten"
        return ChainFault(max(index - 1, 0), "link", detail, state.head_event_id if index else event_id)
    if digest((record["payload"] or "").encode()) != record["payload_hash"]:
        return ChainFault(
            index, "payload", f"the payload of record {index} is not the one that was hashed", event_id
        )
    if record["kind"] == COMPACTION:
        table = state.of(record["table"])
        if record["rows"] != table.rows:
            return ChainFault(
                index, "rows", f"a merge of files left {record['rows']} rows, {table.rows} were recorded"
            )
        if record["merkle_root"] != table.frontier.root.hex():
            return ChainFault(index, "root", "a merge of files has another root than the batches before it")
    return None


def awaits_head(began: datetime | None, published_at: datetime | None) -> bool:
    """Whether a chain without a head began after heads were published last.

    Then a crash came between its first append and the publication that follows. The ledger publishes before
    its first record, so that heads without any time are lost ones. `began`: time of the first record.
    """
    return began is not None and published_at is not None and began > published_at


def head_fault(
    published: tuple[int, str] | None, length: int, recorded_hash: str | None
) -> ChainFault | None:
    """The fault that the published head, index and hash, shows; None when the chain agrees with it.

    Records without a head are a fault: nothing shows that none is missing at their end. `length`: records in
    the chain; `recorded_hash`: of its record at that index.
    """
    if published is None:
        detail = f"the {length} records have no published head: ledger_head.json is missing or was cut"
        return ChainFault(length, "head", detail) if length else None
    index, published_hash = published
    if index >= length:
        return ChainFault(
            length, "truncated", f"record {index} was published, the chain ends after {length} records"
        )
    if recorded_hash != published_hash:
        return ChainFault(
            index,
            "head",
            f"record {index} is not the one that was published: the chain was rewritten up to here",
        )
    return None
