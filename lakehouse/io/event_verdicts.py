"""Outcome of records in Kafka: silver, quarantine with reasons, or duplicate.

A batch is in every table once gold.balance has its commit, whose tag names the offsets up to which it read.
So a record below them that is neither in silver nor in the quarantine is a duplicate.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from lakehouse.contracts.contract import kinds
from lakehouse.event import StoredRecord
from lakehouse.io.checkpoint import finished_batch
from lakehouse.io.delta import open_if_exists

log = logging.getLogger("lumbung.event_verdicts")
CLOCK_TOLERANCE = timedelta(hours=1)  # between the time of receipt and that of the batch
KAFKA_POSITION = ("topic", "partition", "offset")
QUARANTINE = "silver.quarantine"
VerdictName = Literal["silver", "quarantine", "duplicate"]


@dataclass(frozen=True)
class Verdict:
    """The verdict of the stream. `reasons`: names of the violated rules of a quarantined event."""

    verdict: VerdictName
    reasons: tuple[str, ...] = ()


def verdicts(records: Collection[StoredRecord]) -> dict[StoredRecord, Verdict]:
    """The verdicts of those records whose batch is complete; none while the tables cannot be read.

    It reads the files since the oldest of them.
    """
    try:
        return _read_verdicts(records)
    except (DeltaError, OSError, pa.ArrowException) as error:
        log.warning("verdicts cannot be read: %s: %s", type(error).__name__, error)
        return {}


def _read_verdicts(records: Collection[StoredRecord]) -> dict[StoredRecord, Verdict]:
    finished = finished_batch()
    ends = finished.offsets if finished else {}
    complete = [r for r in records if r.offset < ends.get(r.topic, {}).get(str(r.partition), 0)]
    if not complete:
        return {}
    refused = {
        tuple(place): tuple(dict.fromkeys(reason["rule"] for reason in reasons))
        for *place, reasons in _rows(QUARANTINE, "quarantined_at", complete, ("reasons",))
    }
    accepted = {
        row
        for kind in {record.kind for record in complete}
        for row in _rows(kinds()[kind].table, "ingested_at", [r for r in complete if r.kind == kind])
    }
    return {record: _verdict(record, refused, accepted) for record in complete}


def _verdict(
    record: StoredRecord,
    refused: dict[tuple[Any, ...], tuple[str, ...]],
    accepted: set[tuple[Any, ...]],
) -> Verdict:
    if record.place in refused:
        return Verdict("quarantine", refused[record.place])
    return Verdict("silver" if record.place in accepted else "duplicate")


def _rows(
    table: str, time_column: str, records: Collection[StoredRecord], more: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    """(topic, partition, offset, more …) of the table's rows with the offsets of the records."""
    opened = open_if_exists(table)
    if opened is None:
        return []
    since = min(record.received_at for record in records) - CLOCK_TOLERANCE
    offsets = pa.array({record.offset for record in records})
    condition = (pc.field(time_column) >= since) & pc.field("offset").isin(offsets)
    rows = opened.to_pyarrow_dataset().to_table(columns=[*KAFKA_POSITION, *more], filter=condition)
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
