"""Drafts of records: what a batch, an event or a merge of files adds to a chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.ledger.canonical import canonical
from lakehouse.ledger.chain import COMPACTION
from lakehouse.ledger.leaves import BoundTable, canonical_rows, fingerprints
from lakehouse.ledger.merkle import merkle_root

Draft = dict[str, Any]  # the columns of gold.ledger that `ChainState.append` expects


@dataclass(frozen=True)
class FinishedBatch:
    """A finished batch: its time, its writer, its number, and how many events it brought."""

    time: datetime
    stream_id: str
    batch_id: int
    events: int


def chunks(batches: Sequence[FinishedBatch], most: int) -> Iterator[list[FinishedBatch]]:
    """The batches in groups of about `most` events; one batch is never cut."""
    group: list[FinishedBatch] = []
    events = 0
    for batch in batches:
        if group and events + batch.events > most:
            yield group
            group = []
            events = 0
        group.append(batch)
        events += batch.events
    if group:
        yield group


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
        "event_id": None,
        "payload": canonical({"operation": "OPTIMIZE"}).decode(),
        "actor": "maintenance",
        "table": bound.table,
        "delta_version": version,
        "rows": None,
        "merkle_root": None,
        "rule_set_fingerprint": None,
        "batch_time": None,
        "fingerprints": None,
    }
