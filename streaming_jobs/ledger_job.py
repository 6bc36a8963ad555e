"""Finished batches of the bound silver tables -> gold.ledger: one record a batch or an event, one a merge of files."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf import ledger_head
from conf.failpoints import failpoint
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.canonical import canonical
from lakehouse.contract import contracts
from lakehouse.ledger import CHAINS, COMPACTION, TABLE, Books, head_fault
from lakehouse.ledger_rows import PLACE, Bound, batches_of, bodies, bound_tables, fingerprints, in_order, leaves
from lakehouse.merkle import merkle_root
from streaming_jobs.delta_sink import append_arrow, open_table, taken_up_to

log = logging.getLogger("lumbung.ledger")
# A clock may be set back between two batches: batches this much before the mark are looked at again.
LOOK_BACK = timedelta(minutes=10)
MOST_BATCHES = 50_000  # taken up at once
ANSWER = "Look with ./run.sh ledger verify; to begin again from what is there, set ledger_head.json aside"
BOOKKEPT = ("chain", "index", "event_id", "timestamp", "kind", "table", "delta_version", "rows", "merkle_root", "hash")


@dataclass(frozen=True)
class Batch:
    """A finished batch: its time, who wrote it, and how many events it brought."""

    time: datetime
    stream_id: str
    batch_id: int
    events: int


class LedgerJob:
    """The only writer of gold.ledger. It appends nothing to a chain that is not the one whose head was published."""

    name = "ledger"

    def __init__(self) -> None:
        self._books: dict[str, Books] = {}
        self._version: int | None = None  # of the table that the books stand for

    def refresh(self) -> None:
        """Put on record what was finished since the last round. Killed anywhere, the next round goes on where it stopped."""
        if self._version != open_table(TABLE).version() and not self._opened():
            return
        versions = {bound.table: open_table(bound.table).version() for bound in bound_tables()}
        merges = [merge for bound in bound_tables() for merge in self._merges(bound, versions[bound.table])]
        while (
            finished := self._finished()
        ):  # after the versions: a merge that they hold came after batches that are finished here
            for group in chunks(finished, settings().stream.max_events_per_batch):
                upto = group[-1].time
                due = [merge for merge in merges if merge[0] <= upto]
                merges = merges[len(due) :]
                self._write([*self._drafts(group), *due], upto)
            if len(finished) < MOST_BATCHES:
                break
        self._write(merges, taken_up_to(TABLE))

    def _opened(self) -> bool:
        """Books from the table. False when the published head is not in it: appending would bury what happened."""
        ledger = open_table(TABLE)
        rows = ledger.to_pyarrow_table(columns=list(BOOKKEPT)).sort_by([("chain", "ascending"), ("index", "ascending")])
        self._books = {chain: Books(chain) for chain in CHAINS}
        there: dict[str, str] = {}  # chain -> hash of the record at the published index
        try:
            heads = ledger_head.published()
            for part in rows.to_batches(max_chunksize=10_000):
                for record in part.to_pylist():
                    self._books[record["chain"]].take(record)
                    if record["index"] == heads.get(record["chain"], (None,))[0]:
                        there[record["chain"]] = record["hash"]
        except (KeyError, TypeError, ValueError) as error:
            log.error("%s or its published head was altered (%r): nothing is put on record. %s", TABLE, error, ANSWER)
            return False
        for chain, books in self._books.items():
            if fault := head_fault(heads.get(chain), books.length, there.get(chain)):
                log.error("chain %s: %s: nothing is put on record. %s", chain, fault.detail, ANSWER)
                return False
        self._version = ledger.version()
        if heads != self._heads():
            self._publish()  # a crash came between the append and this
        return True

    def _finished(self) -> list[Batch]:
        """Batches that are done in every table and not on record, oldest first, at most MOST_BATCHES."""
        since = max(taken_up_to(TABLE) - LOOK_BACK, datetime(1970, 1, 1, tzinfo=UTC))
        columns = ["ingested_at", "stream_id", "batch_id", "rows_in"]
        books, ledger = (open_table(table).to_pyarrow_dataset() for table in ("gold.balance", TABLE))
        balance = books.to_table(columns=columns, filter=pc.field("ingested_at") > since)
        known = ledger.to_table(columns=["batch_time"], filter=pc.field("batch_time") > since)["batch_time"].combine_chunks()
        fresh = balance.filter(pc.invert(pc.is_in(balance["ingested_at"], known)))
        grouped = fresh.group_by(columns[:3]).aggregate([("rows_in", "sum")]).sort_by("ingested_at").slice(0, MOST_BATCHES)
        return [Batch(row["ingested_at"], row["stream_id"], row["batch_id"], row["rows_in_sum"]) for row in grouped.to_pylist()]

    def _merges(self, bound: Bound, upto: int) -> list[tuple[datetime, dict[str, Any]]]:
        """(time, draft) of each commit that merged files of the table and is not on record."""
        since = self._books[bound.chain].of(bound.table).compacted
        found = []
        for commit in commits_since(open_table(bound.table), since):
            if commit.get("operation") == "OPTIMIZE" and since < commit["version"] <= upto:
                time = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
                found.append((time, merge_draft(bound, commit["version"])))
        return found

    def _drafts(self, group: list[Batch]) -> Iterator[tuple[datetime, dict[str, Any]]]:
        """(time, draft) of each record that the rows of these batches give."""
        times = [batch.time for batch in group]
        by_time = {batch.time: (batch.stream_id, batch.batch_id) for batch in group}
        at = pc.field("ingested_at")
        window = (at >= times[0]) & (at <= times[-1]) & at.isin(times)
        for bound in bound_tables():
            table = open_table(bound.table)
            wanted = list({*PLACE, *bound.leaf_columns, "ingested_at", "rule_set", *([bound.actor] if bound.actor else [])})
            rows = in_order(table.to_pyarrow_dataset().to_table(columns=wanted, filter=bound.among(window)))
            if not rows.num_rows:
                continue
            commits = commits_of(table, self._books[bound.chain].of(bound.table).version)
            found = leaves(rows, bound.leaf_columns)
            for start, end in batches_of(rows):
                time = rows["ingested_at"][start].as_py()
                version = commits.get(by_time[time], table.version())
                part = rows.slice(start, end - start)
                yield from ((time, draft) for draft in drafts_of(bound, part, found[start:end], version))

    def _write(self, drafts: list[tuple[datetime, dict[str, Any]]], upto: datetime) -> None:
        """One commit with the records and the mark, then the heads outside the table; none when it would say nothing new."""
        now, mark = datetime.now(UTC), taken_up_to(TABLE)
        upto = max(upto, mark)
        if not drafts and upto == mark:
            return
        self._version = None  # unless this ends well, the books are read again
        ordered = sorted(drafts, key=lambda item: (item[0], item[1]["table"], item[1]["event_id"] or ""))
        records = []
        for _, draft in ordered:
            books = self._books[draft["chain"]]
            if draft["kind"] != COMPACTION or books.of(draft["table"]).rows:  # a merge of nothing on record says nothing
                records.append(books.append(draft, now))
        rows = pa.Table.from_pylist(records, arrow_schema(contracts()[TABLE]))
        failpoint("ledger.before_append")
        append_arrow(rows, contracts()[TABLE], "{}", upto)
        failpoint("ledger.after_append")
        if records:
            self._publish()
        failpoint("ledger.after_publish")
        self._version = open_table(TABLE).version()

    def _heads(self) -> dict[str, ledger_head.Head]:
        return {chain: (books.length - 1, books.head_hash) for chain, books in self._books.items() if books.length}

    def _publish(self) -> None:
        log.info("head %s", ledger_head.publish(self._heads(), datetime.now(UTC)))


def chunks(batches: list[Batch], most: int) -> Iterator[list[Batch]]:
    """The batches in groups of about `most` events; one batch is never cut."""
    group: list[Batch] = []
    events = 0
    for batch in batches:
        if group and events + batch.events > most:
            yield group
            group, events = [], 0
        group.append(batch)
        events += batch.events
    if group:
        yield group


def commits_since(table: Any, version: int) -> list[dict[str, Any]]:
    """Commits behind a version, newest first, as far back as the log goes."""
    return table.history(None if version < 0 else max(1, table.version() - version))


def commits_of(table: Any, since: int) -> dict[tuple[str, int], int]:
    """(stream, batch) -> version of the commit that brought it."""
    found = {}
    for commit in commits_since(table, since):
        text = commit.get("userMetadata") or commit.get("lumbung")
        tag = json.loads(text) if text else {}
        if "batch" in tag:
            found[tag["stream"], tag["batch"]] = commit["version"]
    return found


def drafts_of(bound: Bound, rows: pa.Table, found: list[bytes], version: int) -> Iterator[dict[str, Any]]:
    """Records of one batch: one, or one an event. `found`: the leaves of the rows; both in order."""
    ids, payloads = rows["event_id"].to_pylist(), bodies(rows, bound.leaf_columns) if bound.per_event else []
    rule_sets = rows["rule_set"].to_pylist()
    actors = rows[bound.actor].to_pylist() if bound.actor else []
    time = rows["ingested_at"][0].as_py()
    groups = [(at, at + 1) for at in range(len(ids))] if bound.per_event else [(0, len(ids))]
    for start, end in groups:
        covered = canonical({"columns": list(bound.leaf_columns), "first": ids[start], "last": ids[end - 1]})
        yield {
            "chain": bound.chain,
            "kind": bound.kind,
            "event_id": ids[start] if bound.per_event else None,
            "payload": (payloads[start] if bound.per_event else covered).decode(),
            "actor": actors[start] if bound.actor else "stream",
            "table": bound.table,
            "delta_version": version,
            "rows": end - start,
            "merkle_root": merkle_root(found[start:end]).hex(),
            "rule_set_fingerprint": max((one for one in rule_sets[start:end] if one), default=None),
            "batch_time": time,
            "fingerprints": fingerprints(ids[start:end], found[start:end]),
        }


def merge_draft(bound: Bound, version: int) -> dict[str, Any]:
    """Record of a commit that merged files; rows and root are those of the books."""
    empty = dict.fromkeys(("event_id", "rows", "merkle_root", "rule_set_fingerprint", "batch_time", "fingerprints"))
    said = canonical({"operation": "OPTIMIZE"}).decode()
    made = {"chain": bound.chain, "kind": COMPACTION, "payload": said, "table": bound.table, "delta_version": version}
    return {**empty, **made, "actor": "maintenance"}
