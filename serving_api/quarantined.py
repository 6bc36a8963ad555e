"""Rows of silver.quarantine: by filters, a page at a time, and by event id."""

from collections.abc import Collection, Container, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.reference import commodity_aliases, matching_key
from serving_api.answers import plain
from serving_api.gold import Snapshot
from serving_api.newest import next_rows
from serving_api.paging import Key, Range
from serving_api.reviews import Index, Place, place_of, state_of
from serving_api.shapes import QuarantineAsked

LISTED = (
    "event_id", "kind", "source", "market_id", "commodity", "reasons", "stage", "state", "generation", "rule_set",
    "received_at", "quarantined_at",
)  # fmt: skip
PLACE = ("topic", "partition", "offset")
ORDER = (("quarantined_at", "descending"), *((name, "ascending") for name in PLACE))
TEXT = ("kind", "market_id", "stage")


def partitions(snapshot: Snapshot) -> list[str]:
    """UTC days of quarantine, newest first."""
    if snapshot.delta is None:
        return []
    delta = snapshot.delta
    found: list[str] = snapshot.cached(
        "days", lambda: sorted({str(one["ingest_date"]) for one in delta.partitions()}, reverse=True)
    )
    return found


def days(snapshot: Snapshot, asked: Range, key: Key | None) -> list[str]:
    """Partitions that can hold the range, newest first, from the cursor's day on."""
    first = asked.start.date().isoformat()
    last = asked.end.date().isoformat() if asked.end else "9999-12-31"
    if key is not None:
        last = min(last, pa.scalar(key[0], pa.timestamp("us")).as_py().date().isoformat())
    return [day for day in partitions(snapshot) if first <= day <= last]


def read_day(snapshot: Snapshot, day: str, wanted: pc.Expression, columns: Iterable[str] | None = None) -> pa.Table:
    """The wanted rows of one UTC day."""
    assert snapshot.delta is not None
    dataset = snapshot.delta.to_pyarrow_dataset(partitions=[("ingest_date", "=", day)])
    return dataset.to_table(columns=list(columns) if columns else None, filter=wanted)


def matching(query: QuarantineAsked, asked: Range) -> pc.Expression:
    """The filters as an expression that files can be skipped by; what looks further comes later."""
    wanted = pc.field("quarantined_at") >= asked.start
    if asked.end is not None:
        wanted &= pc.field("quarantined_at") < asked.end
    for name in TEXT:
        if (value := getattr(query, name)) is not None:
            wanted &= pc.field(name) == value
    return wanted


def called(rows: pa.Table, name: str | None) -> pa.Table:
    """The rows whose commodity, as the event gave it, is the one that the caller means."""
    if name is None:
        return rows
    given = [one for one in pc.unique(rows["commodity"]).to_pylist() if one is not None and is_called(one, name)]
    return rows.filter(pc.is_in(rows["commodity"], pa.array(given, pa.string())))


def broke(rows: pa.Table, rule: str | None) -> pa.Table:
    """The rows that have the rule among their reasons."""
    if rule is None or not rows.num_rows:
        return rows
    reasons = rows["reasons"].combine_chunks()
    is_it = pc.equal(pc.struct_field(pc.list_flatten(reasons), "rule"), rule)
    return rows.take(pc.unique(pc.list_parent_indices(reasons).filter(is_it)))


def standing(rows: pa.Table, state: str | None, reviews: Index) -> pa.Table:
    """The rows that stand in this state by now."""
    if state is None:
        return rows
    names = (*PLACE, "generation", "state")
    return rows.filter(pa.array([state_of(row, reviews) == state for row in rows.select(names).to_pylist()], pa.bool_()))


def is_called(given: str, name: str) -> bool:
    """Both names may be aliases."""
    keys = matching_key(given), matching_key(name)
    return keys[0] == keys[1] or commodity_aliases().get(keys[0], given) == commodity_aliases().get(keys[1], name)


def page_rows(
    snapshot: Snapshot, reviews: Index, query: QuarantineAsked, asked: Range, key: Key | None
) -> list[tuple[Key, dict[str, Any]]]:
    """Up to limit + 1 (sort key, item) behind `key`, newest first; one day's files are read at a time."""
    found: list[tuple[Key, dict[str, Any]]] = []
    for day in days(snapshot, asked, key):
        rows = read_day(snapshot, day, matching(query, asked), (*LISTED, *PLACE))
        rows = standing(broke(called(rows, query.commodity), query.rule), query.state, reviews)
        found += [(place, listed_item(row, reviews)) for place, row in next_rows(rows, ORDER, key, query.limit + 1 - len(found))]
        if len(found) > query.limit:
            break
    return found


def listed_item(row: dict[str, Any], reviews: Index) -> dict[str, Any]:
    """A row as lists show it."""
    return {name: plain(row[name]) for name in LISTED} | {"state": state_of(row, reviews)}


def by_id(
    snapshot: Snapshot,
    reviews: Index,
    ids: Collection[str],
    columns: Iterable[str] | None = None,
    sent: Container[Place] = (),
) -> dict[str, dict[str, Any]]:
    """event id -> the row that a decision on it means: its newest open row, else its newest; ids without a row are left out.

    `sent`: rows that are decided though the tables do not yet show it; their state is "sent".
    Day by day backwards until every id has an open row; of the files whose ids may be among them only the ids are read.
    """
    found: dict[str, dict[str, Any]] = {}
    missing = set(ids)
    for day in partitions(snapshot):
        rows = read_day(snapshot, day, pc.field("event_id").isin(sorted(missing)), columns).to_pylist()
        for row in sorted(rows, key=lambda row: (row["quarantined_at"], row["generation"]), reverse=True):
            row["state"] = "sent" if place_of(row) in sent else state_of(row, reviews)
            held = found.get(row["event_id"])
            if held is None or (held["state"] != "open" and row["state"] == "open"):
                found[row["event_id"]] = row
        missing -= {event_id for event_id, row in found.items() if row["state"] == "open"}
        if not missing:
            break
    return found
