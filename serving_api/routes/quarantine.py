"""Doubtful events with their reasons, for operators."""

import base64
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from conf.settings import settings
from lakehouse.contract import rule_set
from lakehouse.reference import commodity_aliases, matching_key
from serving_api.access import operator
from serving_api.answers import Page, listed, one, page_of, plain
from serving_api.gold import Gold, Snapshot
from serving_api.newest import next_rows
from serving_api.paging import Key, Range, time_range
from serving_api.problems import Problem, nothing_asked
from serving_api.shapes import Many, QuarantineAsked, QuarantineItem, QuarantineRow, problems

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"], dependencies=[Depends(operator)])
LISTED = (
    "event_id", "kind", "source", "market_id", "commodity", "reasons", "stage", "state", "generation", "rule_set",
    "received_at", "quarantined_at",
)  # fmt: skip
ORDER = (("quarantined_at", "descending"), ("topic", "ascending"), ("partition", "ascending"), ("offset", "ascending"))
TEXT = ("kind", "market_id", "stage", "state")


def partitions(snapshot: Snapshot) -> list[str]:
    """UTC days of quarantine, newest first."""
    assert snapshot.delta is not None
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


def matching(query: QuarantineAsked, asked: Range) -> pc.Expression:
    """The filters as an expression that files can be skipped by; `rule` looks inside the reasons and comes later."""
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


def is_called(given: str, name: str) -> bool:
    """Both names may be aliases."""
    keys = matching_key(given), matching_key(name)
    return keys[0] == keys[1] or commodity_aliases().get(keys[0], given) == commodity_aliases().get(keys[1], name)


def quarantine_rows(
    snapshot: Snapshot, query: QuarantineAsked, asked: Range, key: Key | None, limit: int
) -> list[tuple[Key, dict[str, Any]]]:
    """Up to limit + 1 rows behind `key`, newest first; one day's files are read at a time."""
    if snapshot.delta is None:
        return []
    found: list[tuple[Key, dict[str, Any]]] = []
    for day in days(snapshot, asked, key):
        dataset = snapshot.delta.to_pyarrow_dataset(partitions=[("ingest_date", "=", day)])
        rows = dataset.to_table(columns=[*LISTED, "topic", "partition", "offset"], filter=matching(query, asked))
        rows = broke(called(rows, query.commodity), query.rule)
        pages = next_rows(rows, ORDER, key, limit + 1 - len(found))
        found += [(place, {name: plain(row[name]) for name in LISTED}) for place, row in pages]
        if len(found) > limit:
            break
    return found


@router.get("", response_model=Many[QuarantineRow], responses=problems(401, 403, 410, 422), summary="Doubtful events and why")
async def quarantine(request: Request, query: Annotated[QuarantineAsked, Query()]) -> Response:
    """Events that broke a rule, newest first; `from` and `to` are times of quarantine, default the last 30 days."""
    gold: Gold = request.app.state.gold
    snapshot, asked = gold["silver.quarantine"], time_range(query.from_, query.to)

    def read(key: Key | None, limit: int) -> Page:
        return page_of(quarantine_rows(snapshot, query, asked, key, limit), limit)

    return await run_sync(
        lambda: listed(
            request, [snapshot], query, read, asked=asked, rule_set=rule_set(settings().validation.model_dump()), personal=True
        )
    )


@router.get(
    "/{event_id}",
    response_model=QuarantineItem,
    responses=problems(401, 403, 404),
    summary="One doubtful event with its exact bytes",
    dependencies=[Depends(nothing_asked)],
)
async def quarantine_item(request: Request, event_id: Annotated[str, Path(min_length=1, max_length=600)]) -> Response:
    """The event as it came: `payload` when its bytes are UTF-8, else `payload_base64`; the newest when the id came twice."""
    gold: Gold = request.app.state.gold
    snapshot = gold["silver.quarantine"]
    row = await run_sync(newest_of, snapshot, event_id)
    if row is None:
        raise Problem("not-found")
    body: bytes = row["payload"] or b""
    try:
        text, encoded = body.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    item = {name: plain(row[name]) for name in LISTED} | {
        "payload": text,
        "payload_base64": encoded,
        "kafka": {name: row[name] for name in ("topic", "partition", "offset")},
    }
    return one(request, snapshot, item, row["rule_set"])


def newest_of(snapshot: Snapshot, event_id: str) -> dict[str, Any] | None:
    """The newest row of an event id: day by day backwards, and of the days without it only the ids are read."""
    if snapshot.delta is None:
        return None
    wanted = pc.field("event_id") == event_id
    for day in partitions(snapshot):
        dataset = snapshot.delta.to_pyarrow_dataset(partitions=[("ingest_date", "=", day)])
        if dataset.count_rows(filter=wanted):
            return max(dataset.to_table(filter=wanted).to_pylist(), key=lambda row: row["quarantined_at"])
    return None
