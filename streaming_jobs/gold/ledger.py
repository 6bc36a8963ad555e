"""Finished batches of the bound silver tables -> gold.ledger: a record per batch, event or merge of files."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.io import ledger_head
from lakehouse.io.delta import EPOCH, high_water_mark, open_table, tag_of_commit
from lakehouse.io.query import run_sql
from lakehouse.ledger.canonical import canonical
from lakehouse.ledger.chain import CHAINS, COMPACTION, TABLE, ChainState, awaits_head, head_fault
from lakehouse.ledger.leaves import (
    LEAF_COLUMNS,
    BoundTable,
    batches_of,
    bound_tables,
    canonical_rows,
    fingerprints,
    in_order,
    leaves,
)
from lakehouse.ledger.merkle import merkle_root
from streaming_jobs.batch.batch_time import chunks
from streaming_jobs.gold.driver import BALANCE, Change, GoldJob

log = logging.getLogger("lumbung.ledger")
# A clock may be set back between two batches: batches this much before the high-water mark are looked at
# again.
LOOK_BACK = timedelta(minutes=10)
MOST_BATCHES = 50_000  # taken up at once
FINISHED_SQL = """
  select ingested_at as time, stream_id, batch_id, sum(rows_in)::bigint as events
  from balance anti join ledger on balance.ingested_at = ledger.batch_time
  group by all order by time limit $most
"""
REMEDY = "See ./run.sh ledger verify; ./run.sh ledger accept starts again from the current table"
# Columns by which the state of a chain advances.
STATE_COLUMNS = (
    "chain",
    "index",
    "event_id",
    "timestamp",
    "kind",
    "table",
    "delta_version",
    "rows",
    "merkle_root",
    "hash",
)
Draft = dict[str, Any]  # the columns of gold.ledger that `ChainState.append` expects
Dated = tuple[datetime, Draft]  # a draft with the time of its batch or merge


class FinishedBatch(NamedTuple):
    """A finished batch: its time, its writer, its number, and how many events it brought."""

    time: datetime
    stream_id: str
    batch_id: int
    events: int


class LedgerJob(GoldJob):
    """The only writer of gold.ledger.

    It appends nothing to a chain other than the one whose head was published.
    """

    name = "ledger"
    tables = (TABLE,)
    sources = (BALANCE, *(bound.table for bound in bound_tables()))

    def __init__(self) -> None:
        super().__init__()
        self._chains: dict[str, ChainState] = {}
        self._version: int | None = None  # of the table that the states describe

    def changes(self) -> Iterator[Change]:
        """Records of what was finished since the last round.

        Killed anywhere, the next round continues where it stopped.
        """
        if self._version != open_table(TABLE).version() and not self._load():
            self.is_behind = True
            return
        # The versions are read before the batches: a merge that they contain came after batches that are
        # finished then.
        versions = {bound.table: open_table(bound.table).version() for bound in bound_tables()}
        merges = [merge for bound in bound_tables() for merge in self._merges(bound, versions[bound.table])]
        while finished := self._finished():
            counts = [(batch, batch.events, 0) for batch in finished]
            for group in chunks(counts, settings().stream.max_events_per_batch):
                upto = group[-1].time
                due = [merge for merge in merges if merge[0] <= upto]
                merges = merges[len(due) :]
                yield from self._records([*self._drafts(group), *due], upto)
            if len(finished) < MOST_BATCHES:
                break
        yield from self._records(merges, high_water_mark(TABLE))

    def _load(self) -> bool:
        """Read the chains.

        False when the published head is not in the table: appending would hide what happened.
        """
        ledger = open_table(TABLE)
        rows = ledger.to_pyarrow_table(columns=list(STATE_COLUMNS)).sort_by(
            [("chain", "ascending"), ("index", "ascending")]
        )
        self._chains = {chain: ChainState(chain) for chain in CHAINS}
        recorded: dict[str, str] = {}  # chain -> hash of the record at the published index
        began: dict[str, datetime] = {}  # chain -> time of its first record
        try:
            published_at, heads = ledger_head.newest()
            for part in rows.to_batches(max_chunksize=10_000):
                for record in part.to_pylist():
                    self._chains[record["chain"]].advance(record)
                    began.setdefault(record["chain"], record["timestamp"])
                    if record["index"] == heads.get(record["chain"], (None,))[0]:
                        recorded[record["chain"]] = record["hash"]
        except (KeyError, TypeError, ValueError) as error:
            log.error(
                "%s or its published head was altered (%r): nothing is recorded. %s", TABLE, error, REMEDY
            )
            return False
        for chain, state in self._chains.items():
            if chain not in heads and awaits_head(began.get(chain), published_at):
                continue
            if fault := head_fault(heads.get(chain), state.length, recorded.get(chain)):
                log.error("chain %s: %s: nothing is recorded. %s", chain, fault.detail, REMEDY)
                return False
        self._version = ledger.version()
        if published_at is None or heads != self._heads():
            self._publish()  # before the first record, or a crash came between an append and this
        return True

    def _finished(self) -> list[FinishedBatch]:
        """Batches that are done in every table and not recorded, oldest first, at most MOST_BATCHES."""
        since = max(high_water_mark(TABLE) - LOOK_BACK, EPOCH)
        tables = {
            "balance": open_table(BALANCE).to_pyarrow_dataset().filter(pc.field("ingested_at") > since),
            "ledger": open_table(TABLE).to_pyarrow_dataset().filter(pc.field("batch_time") > since),
        }
        rows = run_sql(FINISHED_SQL, tables, {"most": MOST_BATCHES}).to_pylist()
        return [FinishedBatch(**row) for row in rows]

    def _merges(self, bound: BoundTable, upto: int) -> list[Dated]:
        """Drafts of the commits up to version `upto` that merged files of the table and are not recorded."""
        since = self._chains[bound.chain].of(bound.table).compacted
        merges = []
        for commit in commits_after(open_table(bound.table), since):
            if commit.get("operation") == "OPTIMIZE" and since < commit["version"] <= upto:
                time = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
                merges.append((time, compaction_draft(bound, commit["version"])))
        return merges

    def _drafts(self, group: list[FinishedBatch]) -> Iterator[Dated]:
        """Drafts of the records that the rows of these batches give."""
        times = [batch.time for batch in group]
        writers = {batch.time: (batch.stream_id, batch.batch_id) for batch in group}
        at = pc.field("ingested_at")
        window = (at >= times[0]) & (at <= times[-1]) & at.isin(times)
        for bound in bound_tables():
            table = open_table(bound.table)
            columns = {*LEAF_COLUMNS, *bound.leaf_columns, "ingested_at", "rule_set"}
            columns |= {bound.actor} if bound.actor else set()
            dataset = table.to_pyarrow_dataset()
            rows = in_order(dataset.to_table(columns=list(columns), filter=bound.among(window)))
            if not rows.num_rows:
                continue
            commits = commits_of_batches(table, self._chains[bound.chain].of(bound.table).version)
            row_leaves = leaves(rows, bound.leaf_columns)
            for start, end in batches_of(rows):
                time = rows["ingested_at"][start].as_py()
                version = commits.get(writers[time], table.version())
                part = rows.slice(start, end - start)
                for draft in batch_drafts(bound, part, row_leaves[start:end], version):
                    yield time, draft

    def _records(self, drafts: list[Dated], upto: datetime) -> Iterator[Change]:
        """One commit with the records and the mark, then the heads; nothing when there is no news."""
        now = datetime.now(UTC)
        mark = high_water_mark(TABLE)
        upto = max(upto, mark)
        if not drafts and upto == mark:
            return
        self._version = None  # unless this succeeds, the chains are read again
        ordered = sorted(drafts, key=lambda dated: (dated[0], dated[1]["table"], dated[1]["event_id"] or ""))
        records = []
        for _, draft in ordered:
            state = self._chains[draft["chain"]]
            if (
                draft["kind"] != COMPACTION or state.of(draft["table"]).rows
            ):  # else nothing recorded was merged
                records.append(state.append(draft, now))
        failpoint("ledger.before_append")
        yield Change(TABLE, records, is_added=True, upto=upto)
        failpoint("ledger.after_append")
        if records:
            self._publish()
        failpoint("ledger.after_publish")
        self._version = open_table(TABLE).version()

    def _heads(self) -> dict[str, ledger_head.Head]:
        return {
            chain: (state.length - 1, state.head_hash)
            for chain, state in self._chains.items()
            if state.length
        }

    def _publish(self) -> None:
        log.info("head %s", ledger_head.publish(self._heads(), datetime.now(UTC)))


def commits_after(table: DeltaTable, version: int) -> list[dict[str, Any]]:
    """Commits after a version, newest first, as far back as the log goes."""
    commits: list[dict[str, Any]] = table.history(None if version < 0 else max(1, table.version() - version))
    return commits


def commits_of_batches(table: DeltaTable, after: int) -> dict[tuple[str, int], int]:
    """(stream id, batch number) -> version of the commit that wrote the batch."""
    versions = {}
    for commit in commits_after(table, after):
        tag = tag_of_commit(commit)
        if tag and "batch" in tag:
            versions[tag["stream"], tag["batch"]] = commit["version"]
    return versions


def batch_drafts(
    bound: BoundTable, rows: pa.Table, row_leaves: Sequence[bytes], version: int
) -> Iterator[Draft]:
    """Drafts of one batch: one, or one per event. `row_leaves`: of the rows; both sorted by `in_order`."""
    ids = rows["event_id"].to_pylist()
    payloads = canonical_rows(rows, bound.leaf_columns) if bound.per_event else []
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
            "merkle_root": merkle_root(row_leaves[start:end]).hex(),
            "rule_set_fingerprint": max(filter(None, rule_sets[start:end]), default=None),
            "batch_time": time,
            "fingerprints": fingerprints(ids[start:end], row_leaves[start:end]),
        }


def compaction_draft(bound: BoundTable, version: int) -> Draft:
    """Draft of a commit that merged files; the chain fills in its own number of rows and root."""
    return {
        "chain": bound.chain,
        "kind": COMPACTION,
        "payload": canonical({"operation": "OPTIMIZE"}).decode(),
        "actor": "maintenance",
        "table": bound.table,
        "delta_version": version,
        **dict.fromkeys(("event_id", "rows", "merkle_root", "rule_set_fingerprint", "batch_time")),
        "fingerprints": None,
    }


JOB = LedgerJob
