"""Today's rows against the records that cover them: which record no longer fits, and which row changed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.ledger.chain import ChainFault, Record
from lakehouse.ledger.leaves import FINGERPRINT_BYTES, ID_BYTES, batches_of, fingerprints, in_order, leaves
from lakehouse.ledger.merkle import merkle_root

Ids = Sequence[str | None]


@dataclass(frozen=True)
class RowFault:
    """A record whose rows changed.

    `missing`: `id_print` of a row that was in the batch of `time` and is gone.
    """

    fault: ChainFault
    missing: bytes | None
    time: datetime


def covered_columns(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that the leaves cover, from the record itself: they outlive a change of BOUND_TABLES."""
    payload = orjson.loads(record["payload"])
    return tuple(payload if record["event_id"] is not None else payload["columns"])


def covered_columns_of(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """The columns that any of the records covers."""
    return {name for record in records for name in covered_columns(record)}


def split(recorded: bytes) -> list[bytes]:
    """The fingerprint of each row."""
    return [recorded[at : at + FINGERPRINT_BYTES] for at in range(0, len(recorded), FINGERPRINT_BYTES)]


def first_altered(recorded: bytes, ids: Ids, row_leaves: Sequence[bytes]) -> tuple[str | None, bytes | None]:
    """The event_id of the first row that changed or was inserted, else the `id_print` of one that is gone.

    `recorded`: the record's fingerprints; `ids` and `row_leaves`: of today's rows; all in order of event_id.
    """
    before = split(recorded)
    after = split(fingerprints(ids, row_leaves))
    differ = (at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    at = next(differ, min(len(before), len(after)))
    gone = Counter(row[:ID_BYTES] for row in before[at:]) - Counter(row[:ID_BYTES] for row in after[at:])
    if at < len(before) and gone[before[at][:ID_BYTES]]:
        return None, before[at][:ID_BYTES]
    return (ids[at] if at < len(ids) else None), None


def record_fault(record: Record, ids: Ids, row_leaves: Sequence[bytes]) -> RowFault | None:
    """The fault of the rows that a record covers; ids and leaves in order of event_id."""
    index = record["index"]
    expected = record["rows"]
    time = record["batch_time"]
    same_count = len(row_leaves) == expected
    if same_count and merkle_root(row_leaves).hex() == record["merkle_root"]:
        return None
    altered, missing = (
        (record["event_id"], None)
        if record["event_id"]
        else first_altered(record["fingerprints"], ids, row_leaves)
    )
    detail = (
        f"{record['table']}: the {expected} rows of {time} are not those that were recorded"
        if same_count
        else f"{record['table']}: {len(row_leaves)} rows of {time}, {expected} were recorded"
    )
    return RowFault(ChainFault(index, "root" if same_count else "rows", detail, altered), missing, time)


def rows_faults(records: Sequence[Record], rows: pa.Table, cut: bool = False) -> list[RowFault]:
    """Every record of one table whose rows changed, and every batch of rows that no record covers.

    `records`: sorted by batch_time, at least one. `rows`: all rows after the batch before the first record,
    up to the last one; with event_id, Kafka coordinates, ingested_at and the covered columns. `cut`: the last
    batch may have had more records, which cannot be trusted or are gone.
    """
    rows = in_order(rows)
    ids: Ids = rows["event_id"].to_pylist()
    leaves_of = {
        columns: leaves(rows, columns) for columns in {covered_columns(record) for record in records}
    }
    by_time: dict[Any, list[Record]] = {}
    for record in records:
        by_time.setdefault(record["batch_time"], []).append(record)
    faults: list[RowFault | None] = []
    for start, end in batches_of(rows):
        time = rows["ingested_at"][start].as_py()
        covering = by_time.pop(time, None)
        if covering is None:
            faults.append(unrecorded_rows(records, time, ids[start]))
        else:
            row_leaves = leaves_of[covered_columns(covering[0])][start:end]
            faults += batch_faults(
                covering, ids[start:end], row_leaves, cut and time == records[-1]["batch_time"]
            )
    faults += [record_fault(record, [], []) for gone in by_time.values() for record in gone]
    return [fault for fault in faults if fault]


def batch_faults(
    records: Sequence[Record], ids: Ids, row_leaves: Sequence[bytes], cut: bool
) -> list[RowFault | None]:
    """The same for one batch, with a record of all its rows, or one per event."""
    if records[0]["event_id"] is None:
        return [record_fault(records[0], ids, row_leaves)]
    by_id: dict[str | None, list[bytes]] = {}
    for event_id, leaf in zip(ids, row_leaves, strict=True):
        by_id.setdefault(event_id, []).append(leaf)
    faults: list[RowFault | None] = []
    for record in records:
        covered = by_id.pop(record["event_id"], [])
        faults.append(record_fault(record, [record["event_id"]] * len(covered), covered))
    if not cut:
        faults += [unrecorded_rows(records, records[0]["batch_time"], event_id) for event_id in by_id]
    return faults


def unrecorded_rows(records: Sequence[Record], time: datetime | None, event_id: str | None) -> RowFault:
    """Rows that no record covers, as a fault of the first record that is not earlier."""
    near = next((record for record in records if time is None or record["batch_time"] >= time), records[-1])
    detail = f"{near['table']}: rows of {time} were never recorded"
    return RowFault(ChainFault(near["index"], "rows", detail, event_id), None, time or near["batch_time"])
