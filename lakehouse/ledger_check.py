"""Rows of today against the records that cover them: which record no longer fits, and which row it was that changed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.ledger import Fault, Record
from lakehouse.ledger_rows import FINGERPRINT_BYTES, ID_BYTES, batches_of, fingerprints, in_order, leaves
from lakehouse.merkle import merkle_root

Ids = Sequence[str | None]


@dataclass(frozen=True)
class RowFault:
    """A record whose rows changed. `missing`: print of the event_id of a row that is gone and was in the batch of `time`."""

    fault: Fault
    missing: bytes | None
    time: datetime


def covered_columns(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of a row that its leaf was made of, as the record itself says: they outlive a change of the definition."""
    said = orjson.loads(record["payload"])
    return tuple(said if record["event_id"] is not None else said["columns"])


def covered_columns_of(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """The columns that any of the records covers."""
    return {name for record in records for name in covered_columns(record)}


def pieces(prints: bytes) -> list[bytes]:
    """One print a row."""
    return [prints[at : at + FINGERPRINT_BYTES] for at in range(0, len(prints), FINGERPRINT_BYTES)]


def first_altered(recorded: bytes, ids: Ids, found: Sequence[bytes]) -> tuple[str | None, bytes | None]:
    """(event_id of the first row that changed or was slipped in, None) or (None, print of the event_id of one that is gone).

    `recorded`: the record's fingerprints; `ids` and `found` (leaves) are those of today; all in order of event_id.
    """
    before, after = pieces(recorded), pieces(fingerprints(ids, found))
    differ = (at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other)
    at = next(differ, min(len(before), len(after)))
    gone = Counter(one[:ID_BYTES] for one in before[at:]) - Counter(one[:ID_BYTES] for one in after[at:])
    if at < len(before) and gone[before[at][:ID_BYTES]]:
        return None, before[at][:ID_BYTES]
    return (ids[at] if at < len(ids) else None), None


def record_fault(record: Record, ids: Ids, found: Sequence[bytes]) -> RowFault | None:
    """What is wrong with the rows that a record covers, given as leaves in order of event_id."""
    index, expected, time = record["index"], record["rows"], record["batch_time"]
    same_count = len(found) == expected
    if same_count and merkle_root(found).hex() == record["merkle_root"]:
        return None
    altered, missing = (record["event_id"], None) if record["event_id"] else first_altered(record["fingerprints"], ids, found)
    detail = (
        f"{record['table']}: the {expected} rows of {time} are not those that were recorded"
        if same_count
        else f"{record['table']}: {len(found)} rows of {time}, {expected} were recorded"
    )
    return RowFault(Fault(index, "root" if same_count else "rows", detail, altered), missing, time)


def rows_faults(records: Sequence[Record], rows: pa.Table, cut: bool = False) -> list[RowFault]:
    """Every record of one table whose rows changed, and every batch of rows that no record covers.

    `records`: sorted by batch_time, at least one. `rows`: all rows up to the last of them, from behind the batch before the
    first; with event_id, Kafka coordinates, ingested_at and the columns that the records cover. `cut`: the last batch may have
    had more records, which cannot be trusted or are gone.
    """
    rows = in_order(rows)
    ids: Ids = rows["event_id"].to_pylist()
    known = {columns: leaves(rows, columns) for columns in {covered_columns(record) for record in records}}
    by_time: dict[Any, list[Record]] = {}
    for record in records:
        by_time.setdefault(record["batch_time"], []).append(record)
    faults: list[RowFault | None] = []
    for start, end in batches_of(rows):
        time = rows["ingested_at"][start].as_py()
        covering = by_time.pop(time, None)
        if covering is None:
            faults.append(stranger(records, time, ids[start]))
        else:
            found = known[covered_columns(covering[0])][start:end]
            faults += batch_faults(covering, ids[start:end], found, cut and time == records[-1]["batch_time"])
    faults += [record_fault(record, [], []) for gone in by_time.values() for record in gone]
    return [fault for fault in faults if fault]


def batch_faults(records: Sequence[Record], ids: Ids, found: Sequence[bytes], cut: bool) -> list[RowFault | None]:
    """The same for one batch: a record of all its rows, or one an event."""
    if records[0]["event_id"] is None:
        return [record_fault(records[0], ids, found)]
    by_id: dict[str | None, list[bytes]] = {}
    for event_id, leaf in zip(ids, found, strict=True):
        by_id.setdefault(event_id, []).append(leaf)
    taken = [(record["event_id"], by_id.pop(record["event_id"], [])) for record in records]
    faults = [record_fault(record, [one] * len(its), its) for record, (one, its) in zip(records, taken, strict=True)]
    return faults if cut else [*faults, *(stranger(records, records[0]["batch_time"], event_id) for event_id in by_id)]


def stranger(records: Sequence[Record], time: datetime | None, event_id: str | None) -> RowFault:
    """Rows that no record covers are held against the first record that is not earlier."""
    near = next((record for record in records if time is None or record["batch_time"] >= time), records[-1])
    detail = f"{near['table']}: rows of {time} were never recorded"
    return RowFault(Fault(near["index"], "rows", detail, event_id), None, time or near["batch_time"])
