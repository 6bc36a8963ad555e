"""Decisions on one event: those in silver.decisions, and those that were sent and are not there yet."""

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from lakehouse.times import utc_text
from serving_api.reads.responses import KeyedItem
from serving_api.reads.review.reviews import ReviewIndex
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.writes.decisions import SentDecision

COLUMNS = ("event_id", "target_record", "generation", "decision", "reason", "decided_by", "event_time")


def decisions_on(
    event_id: str, snapshots: Snapshots, reviews: ReviewIndex, pending: Sequence[SentDecision]
) -> tuple[list[KeyedItem], Snapshot]:
    """(sort key, item) of every decision on an event, newest first, and the snapshot of silver.decisions."""
    snapshot = snapshots.open_newest("silver.decisions")
    by_id = {sent.decision_id: (sent.decided_at, pending_item(sent)) for sent in pending}
    if snapshot.delta is not None:
        rows = snapshot.read(pc.field("target_event_id") == event_id, COLUMNS)
        for row in rows.to_pylist():
            by_id[row["event_id"]] = (row["event_time"], stored_item(row, reviews))
    keyed: list[KeyedItem] = [((-at.timestamp(), name), item) for name, (at, item) in by_id.items()]
    return sorted(keyed, key=lambda pair: pair[0]), snapshot


def pending_item(sent: SentDecision) -> dict[str, Any]:
    """A decision that is in Kafka and not yet in the tables."""
    return {
        "decision_id": sent.decision_id,
        "decision": sent.request.decision,
        "reason": sent.request.reason,
        "decided_by": sent.request.decided_by,
        "decided_at": utc_text(sent.decided_at),
        "outcome": "pending",
    }


def stored_item(row: dict[str, Any], reviews: ReviewIndex) -> dict[str, Any]:
    """A row of silver.decisions with the outcome of the row that it decided."""
    review = reviews.get((row["target_record"], row["generation"]))
    return {
        "decision_id": row["event_id"],
        **{name: row[name] for name in ("decision", "reason", "decided_by")},
        "decided_at": utc_text(row["event_time"]),
        "outcome": review.outcome if review and review.decision_id == row["event_id"] else "pending",
    }
