"""Rows of silver.quarantine: filtered and by page, and by event id."""

from collections.abc import Collection, Container, Iterable, Mapping
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.rule_figures import figures_of
from lakehouse.reference import commodity_aliases, matching_key
from lakehouse.translation import Language, filled, values_of
from serving_api.http.cursors import Key, TimeRange
from serving_api.reads.dashboard import quarantine_subjects
from serving_api.reads.keyset import next_rows
from serving_api.reads.responses import to_json_value
from serving_api.reads.review.own_regions import NEEDED, IsOwn
from serving_api.reads.review.reviews import ReviewIndex, RowKey, key_of, state_of
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.quarantine import QuarantineRow

ITEM_COLUMNS = tuple(name for name in QuarantineRow.model_fields if name != "subject")
COORDINATES = ("topic", "partition", "offset")
ORDER = (("quarantined_at", "descending"), *((name, "ascending") for name in COORDINATES))


def in_indonesian(kind: str, rule: str, message: str) -> str:
    """The message of a rule of the kind in Indonesian; unchanged where the rule has no such text.

    A message from an earlier text of the rule does not match the template and stays as it is.
    """
    english, indonesian = _templates().get((kind, rule), ("", ""))
    values = values_of(message, english)
    return message if values is None else filled(indonesian, values)


@cache
def _templates() -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (kind, rule.name): (rule.message, rule.message_id)
        for kind, contract in kinds().items()
        for rule in contract.rules
        if rule.message_id is not None
    }


def partitions(snapshot: Snapshot) -> list[str]:
    """UTC days of quarantine, newest first."""
    if snapshot.delta is None:
        return []
    delta = snapshot.delta
    return snapshot.cached(
        "days",
        lambda: sorted({str(partition["ingest_date"]) for partition in delta.partitions()}, reverse=True),
    )


def days_within(snapshot: Snapshot, times: TimeRange, key: Key | None) -> list[str]:
    """Partitions that can hold the range, newest first, from the cursor's day on."""
    first = times.start.date().isoformat()
    last = times.end.date().isoformat() if times.end else "9999-12-31"
    if key is not None:
        last = min(last, pa.scalar(key[0], pa.timestamp("us")).as_py().date().isoformat())
    return [day for day in partitions(snapshot) if first <= day <= last]


def read_day(
    snapshot: Snapshot, day: str, condition: pc.Expression, columns: Iterable[str] | None = None
) -> pa.Table:
    """The rows of one UTC day that satisfy the condition."""
    return snapshot.read(condition, columns, partition=("ingest_date", day))


def with_commodity(rows: pa.Table, name: str | None) -> pa.Table:
    """The rows whose commodity, as given in the event, is the one that the caller names."""
    if name is None:
        return rows
    given = pc.unique(rows["commodity"]).to_pylist()
    matches = [text for text in given if text is not None and is_same_commodity(text, name)]
    return rows.filter(pc.is_in(rows["commodity"], pa.array(matches, pa.string())))


def with_rule(rows: pa.Table, rule: str | None) -> pa.Table:
    """The rows that violate the rule."""
    if rule is None or not rows.num_rows:
        return rows
    reasons = rows["reasons"].combine_chunks()
    matches = pc.equal(pc.struct_field(pc.list_flatten(reasons), "rule"), rule)
    return rows.take(pc.unique(pc.list_parent_indices(reasons).filter(matches)))


def with_state(rows: pa.Table, state: str | None, reviews: ReviewIndex) -> pa.Table:
    """The rows whose current state this is."""
    if state is None:
        return rows
    names = (*COORDINATES, "generation", "state")
    mask = [state_of(row, reviews) == state for row in rows.select(names).to_pylist()]
    return rows.filter(pa.array(mask, pa.bool_()))


def is_same_commodity(given: str, name: str) -> bool:
    """Whether two names mean the same commodity; both may be aliases."""
    given_key = matching_key(given)
    name_key = matching_key(name)
    aliases = commodity_aliases()
    return given_key == name_key or aliases.get(given_key, given) == aliases.get(name_key, name)


def page_rows(
    snapshots: Snapshots,
    reviews: ReviewIndex,
    values: Mapping[str, Any],
    condition: pc.Expression,
    days: Iterable[str],
    key: Key | None,
    count: int,
    is_own: IsOwn | None = None,
) -> list[tuple[Key, dict[str, Any]]]:
    """Up to `count` (sort key, item) after `key`, newest first; the files of one day are read at a time.

    `values`: commodity, rule and state, which are not part of the condition. `is_own`: which rows the caller
    may see; None: all.
    """
    snapshot = snapshots["silver.quarantine"]
    columns = (*ITEM_COLUMNS, *COORDINATES, *(("payload",) if is_own else ()))
    page: list[tuple[Key, dict[str, Any]]] = []
    for day in days:
        rows = read_day(snapshot, day, condition, columns)
        rows = with_rule(with_commodity(rows, values["commodity"]), values["rule"])
        rows = with_state(rows, values["state"], reviews)
        if is_own is not None:
            mask = [is_own(row) for row in rows.select(NEEDED).to_pylist()]
            rows = rows.filter(pa.array(mask, pa.bool_()))
        chosen = next_rows(rows, ORDER, key, count - len(page))
        subjects = subjects_of([row for _, row in chosen], day, snapshots)
        page += [
            (sort_key, listed_item(row, reviews) | {"subject": subjects[key_of(row)]})
            for sort_key, row in chosen
        ]
        if len(page) == count:
            break
    return page


def subjects_of(
    rows: Iterable[dict[str, Any]], day: str, snapshots: Snapshots
) -> dict[RowKey, dict[str, Any] | None]:
    """What these rows of one UTC day are about. Payload and evidence are read of them alone."""
    by_key = {key_of(row): row for row in rows}
    condition = pc.field("event_id").isin(sorted({row["event_id"] for row in by_key.values()}))
    columns = (*COORDINATES, "generation", *quarantine_subjects.NEEDED)
    bodies = read_day(snapshots["silver.quarantine"], day, condition, columns).to_pylist() if by_key else []
    return {
        key: quarantine_subjects.subject_of(by_key[key] | body, snapshots)
        for key, body in ((key_of(body), body) for body in bodies)
        if key in by_key
    }


def listed_item(row: dict[str, Any], reviews: ReviewIndex) -> dict[str, Any]:
    """A row as an item of the list."""
    reasons = [
        reason | {"values": figures_of(row["kind"], reason["rule"], reason["message"])}
        for reason in row["reasons"]
    ]
    item = {name: to_json_value(row[name]) for name in ITEM_COLUMNS}
    return item | {"reasons": reasons, "state": state_of(row, reviews)}


def in_language(item: dict[str, Any], language: Language) -> dict[str, Any]:
    """The item with the messages of its reasons in a language."""
    if language == "en":
        return item
    return item | {"reasons": reasons_in_indonesian(item["kind"], item["reasons"])}


def reasons_in_indonesian(kind: str, reasons: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reasons with Indonesian messages."""
    return [
        reason | {"message": in_indonesian(kind, reason["rule"], reason["message"])} for reason in reasons
    ]


def rows_by_id(
    snapshot: Snapshot,
    reviews: ReviewIndex,
    ids: Collection[str],
    columns: Iterable[str] | None = None,
    sent: Container[RowKey] = (),
) -> dict[str, dict[str, Any]]:
    """event id -> the row that a decision on it applies to: its newest open row, else its newest row.

    Ids without a row are left out. `sent`: rows that are decided though the tables do not show it yet; their
    state is "sent". Reads day by day, newest first, until every id has an open row; of files whose ids may
    match, only the ids.
    """
    by_id: dict[str, dict[str, Any]] = {}
    missing = set(ids)
    for day in partitions(snapshot):
        rows = read_day(snapshot, day, pc.field("event_id").isin(sorted(missing)), columns).to_pylist()
        for row in sorted(rows, key=lambda row: (row["quarantined_at"], row["generation"]), reverse=True):
            row["state"] = "sent" if key_of(row) in sent else state_of(row, reviews)
            current = by_id.get(row["event_id"])
            if current is None or (current["state"] != "open" and row["state"] == "open"):
                by_id[row["event_id"]] = row
        missing -= {event_id for event_id, row in by_id.items() if row["state"] == "open"}
        if not missing:
            break
    return by_id
