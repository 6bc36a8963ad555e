"""Answers that read tables: provenance, ETag, caching, pages; the items are encoded once per table version."""

import bisect
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from conf.settings import settings
from lakehouse.contract import rule_set
from serving_api.gold import Gold, Snapshot
from serving_api.paging import Cursors, Key, Range, filters_of
from serving_api.problems import Problem

JSON = "application/json; charset=utf-8"
PUBLIC = "public, max-age=5, stale-while-revalidate=30"
PRIVATE = "private, no-store"


def utc(time: datetime | None) -> str | None:
    """RFC 3339 with Z; microseconds only where there are any."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """A table's value as JSON holds it."""
    if isinstance(value, datetime):
        return utc(value)
    return value.isoformat() if isinstance(value, date) else value


def accepts(request: Request, media_type: str) -> None:
    """Raises Problem 406 when the caller takes nothing like `media_type`."""
    wanted = request.headers.get("accept")
    if not wanted:
        return
    family = media_type.split("/")[0]
    taken = {part.split(";")[0].strip().lower() for part in wanted.split(",")}
    if not taken & {"*/*", f"{family}/*", media_type}:
        raise Problem("not-acceptable", name=media_type)


@cache
def rules_now() -> str:
    """Fingerprint of the rules and knobs that this process was started with."""
    return rule_set(settings().validation.model_dump())


def meta(
    request: Request, snapshots: Sequence[Snapshot], rule_set: str | None, demo: bool, model: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The provenance block: which versions of which tables spoke, which model did, and how fresh they are."""
    gold: Gold = request.app.state.gold
    newest = [snapshot.newest for snapshot in snapshots if snapshot.newest]
    return {
        "as_of": utc(max(newest)) if newest else None,
        "delta_version": {snapshot.table: snapshot.version for snapshot in snapshots},
        "rule_set": rule_set,
        "model": model,
        "lag_seconds": gold.lag_seconds,
        "demo_data": demo,
        "request_id": request.scope["state"]["request_id"],
    }


def etag_of(request: Request, snapshots: Sequence[Snapshot], asked: Range | str | None = None) -> str:
    """Weak: the same versions and the same question (and range: the last 30 days move) give the same items, not the same meta."""
    versions = ",".join(f"{snapshot.table}={snapshot.identity[0]}@{snapshot.version}" for snapshot in snapshots)
    digest = hashlib.sha256(f"{versions}|{request.url.path}?{request.url.query}|{asked}".encode()).hexdigest()[:24]
    return f'W/"{digest}"'


def unchanged(request: Request, etag: str, cache: str) -> Response | None:
    """304 when the caller holds this answer already."""
    held = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": cache}) if etag in held else None


@dataclass(frozen=True)
class Page:
    """Encoded items and the sort key of the last one when more follow."""

    items: bytes  # the inside of a JSON array
    last: Key | None
    demo: bool = False
    model: dict[str, Any] | None = None  # which made the items


def page_of(rows: Sequence[tuple[Key, dict[str, Any]]], limit: int, demo: bool = False) -> Page:
    """A page of rows that are already in order and reach one beyond the limit when there are more."""
    shown = rows[:limit]
    items = b",".join(orjson.dumps(item) for _, item in shown)
    return Page(items, shown[-1][0] if len(rows) > limit else None, demo)


def after(rows: Sequence[tuple[Key, dict[str, Any]]], key: Key | None) -> Sequence[tuple[Key, dict[str, Any]]]:
    """The rows behind a sort key, in a sequence sorted ascending by key."""
    return rows if key is None else rows[bisect.bisect_right(rows, key, key=lambda row: row[0]) :]


def listed(
    request: Request,
    snapshots: Sequence[Snapshot],
    query: BaseModel,
    read: Callable[[Key | None, int], Page],
    *,
    asked: Range | str | None = None,
    rule_set: str | None = None,
    personal: bool = False,
    keep: bool = True,
) -> Response:
    """The list answer. `read(after key, limit)` gives a page, which is kept as long as the snapshots' versions (unless `keep` is
    false: it depends on more); it also looks the names up, so that a faulty cursor (422) is told before an unknown name (404)."""
    accepts(request, "application/json")
    cache = PRIVATE if personal else PUBLIC
    etag = etag_of(request, snapshots, asked)
    if not personal and (same := unchanged(request, etag, cache)):
        return same
    question = query.model_dump()
    cursors: Cursors = request.app.state.cursors
    filters = filters_of(request.url.path, question)
    key = cursors.read(question.get("cursor"), filters)
    limit: int = question["limit"]
    others = tuple((snapshot.identity, snapshot.version) for snapshot in snapshots[1:])
    remembered = (filters, key, limit, str(asked), others)
    page: Page = snapshots[0].cached(remembered, lambda: read(key, limit)) if snapshots and keep else read(key, limit)
    cursor = cursors.make(page.last, filters) if page.last else None
    headers = {"Cache-Control": cache} | ({} if personal else {"ETag": etag})
    if cursor:
        headers["Link"] = f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'
    tail = orjson.dumps({"next_cursor": cursor, "meta": meta(request, snapshots, rule_set, page.demo, page.model)})
    return Response(b'{"items":[' + page.items + b"]," + tail[1:], headers=headers, media_type=JSON)


def one(request: Request, snapshots: Sequence[Snapshot], item: dict[str, Any], rule_set: str | None) -> Response:
    """A personal answer with a single item."""
    accepts(request, "application/json")
    body = {**item, "meta": meta(request, snapshots, rule_set, False)}
    return Response(orjson.dumps(body), headers={"Cache-Control": PRIVATE}, media_type=JSON)


def shown(
    request: Request,
    snapshots: Sequence[Snapshot],
    item: dict[str, Any],
    *,
    asked: str | None = None,
    demo: bool = False,
    model: dict[str, Any] | None = None,
) -> Response:
    """A public answer with a single item, which follows from the snapshots alone (and from what `asked` says beside them)."""
    accepts(request, "application/json")
    etag = etag_of(request, snapshots, asked)
    body = {**item, "meta": meta(request, snapshots, None, demo, model)}
    held = unchanged(request, etag, PUBLIC)
    return held or Response(orjson.dumps(body), headers={"Cache-Control": PUBLIC, "ETag": etag}, media_type=JSON)
