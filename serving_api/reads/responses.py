"""Responses that read tables: provenance, ETag, caching, pages. Items are encoded once per table version."""

import bisect
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Unpack

import orjson
from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from lakehouse.times import utc_text
from lakehouse.translation import Language, in_language
from serving_api.http.cursors import Cursors, Key, TimeRange, filters_of
from serving_api.http.problems import language_of
from serving_api.http.request_checks import require_acceptable
from serving_api.http.spreadsheets import (
    FILES,
    MEDIA_TYPES,
    ListFormat,
    csv_file,
    file_name,
    list_format,
    xlsx_file,
)
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.provenance import About, provenance
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.envelope import field_types

JSON = "application/json; charset=utf-8"
PUBLIC = "public, max-age=5, stale-while-revalidate=30"
PRIVATE = "private, no-store"
# An answer differs by these headers of the request: its form, and the language of its texts.
VARY = "Accept, Accept-Language"
KeyedItem = tuple[Key, dict[str, Any]]


def to_json_value(value: Any) -> Any:
    """A table's value as JSON holds it."""
    if isinstance(value, datetime):
        return utc_text(value)
    return value.isoformat() if isinstance(value, date) else value


def json_response(
    body: dict[str, Any], status: int = 200, cache: str | None = None, **headers: str
) -> Response:
    """The body as JSON. `cache`: value of Cache-Control."""
    sent = {**headers, "Cache-Control": cache} if cache else headers
    return Response(orjson.dumps(body), status, sent, JSON)


def receipt(event_id: str | None, kinds: Sequence[str], received_at: datetime, **more: Any) -> Response:
    """202 for an event that Kafka has stored."""
    event = {"event_id": event_id, "kinds": kinds, "status": "accepted"}
    return json_response(event | {"received_at": utc_text(received_at)} | more, 202)


@dataclass(frozen=True)
class EncodedPage:
    """Encoded items, and the sort key of the last one when more follow."""

    items: bytes  # the inside of a JSON array
    last: Key | None
    demo: bool = False
    model: dict[str, Any] | None = None  # that the items come from


def encode_page(
    rows: Sequence[KeyedItem],
    limit: int,
    is_simulated: Callable[[dict[str, Any]], bool] = lambda item: False,
    model: dict[str, Any] | None = None,
) -> EncodedPage:
    """A page of sorted rows; there are more than `limit` when a further page follows."""
    shown = rows[:limit]
    demo = any(is_simulated(item) for _, item in shown)
    items = b",".join(orjson.dumps(item) for _, item in shown)
    return EncodedPage(items, shown[-1][0] if len(rows) > limit else None, demo, model)


def rows_after(rows: Sequence[KeyedItem], key: Key | None) -> Sequence[KeyedItem]:
    """The rows after a sort key, of rows sorted ascending by key."""
    return rows if key is None else rows[bisect.bisect_right(rows, key, key=lambda row: row[0]) :]


def etag_of(request: Request, snapshots: Sequence[Snapshot], variant: str | None = None) -> str:
    """A weak ETag: equal versions, addresses, languages and variants give equal items, but not equal `meta`.

    `variant`: what else the items depend on, such as a time range that ends with the newest day.
    """
    versions = ",".join(
        f"{snapshot.table}={snapshot.identity[0]}@{snapshot.version}" for snapshot in snapshots
    )
    text = f"{versions}|{request.url.path}?{request.url.query}|{language_of(request)}|{variant}"
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def not_modified(request: Request, etag: str) -> Response | None:
    """304 when the caller has this version already, else None."""
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if etag not in known:
        return None
    return Response(status_code=304, headers=public_headers(etag))


def public_headers(etag: str) -> dict[str, str]:
    """Headers of an answer that caches may keep."""
    return {"ETag": etag, "Cache-Control": PUBLIC, "Vary": VARY}


class Responses:
    """Responses to one request. `snapshots`: what they read."""

    def __init__(self, request: Request) -> None:
        shared = request.app.state.shared
        self.request = request
        self.snapshots: Snapshots = shared[Snapshots]
        self._cursors: Cursors = shared[Cursors]
        self._lag: KafkaLag = shared[KafkaLag]

    @property
    def language(self) -> Language:
        """That the caller reads."""
        return language_of(self.request)

    def meta(self, snapshots: Sequence[Snapshot], **about: Unpack[About]) -> dict[str, Any]:
        """The provenance block of a response, the reason of the model in the caller's language."""
        model = about.get("model")
        if model and model.get("reason"):
            about["model"] = model | {"reason": in_language(model["reason"], self.language)}
        request_id = self.request.scope["state"]["request_id"]
        return provenance(snapshots, lag_seconds=self._lag.seconds, request_id=request_id, **about)

    def page(
        self,
        snapshots: Sequence[Snapshot],
        parameters: dict[str, Any],
        read: Callable[[Key | None, int], EncodedPage],
        *,
        times: TimeRange | None = None,
        variant: str | None = None,
        rule_set: str | None = None,
        personal: bool = False,
        cached: bool = True,
    ) -> Response:
        """One page of a list.

        `read(after key, limit)` returns the page. It also looks names up, so that an invalid cursor (422) is
        reported before an unknown name (404). The page is cached as long as the versions of the snapshots are
        current, unless `cached` is false: then it depends on more than them. `times`: the range that the list
        covers.
        """
        form = self._form(parameters)
        part = f"{times}|{variant}"
        etag = etag_of(self.request, snapshots, f"{part}|{form}")
        if not personal and (unchanged := not_modified(self.request, etag)):
            return unchanged
        filters = filters_of(self.request.url.path, parameters)
        key = self._cursors.decode(parameters.get("cursor"), filters)
        limit: int = parameters["limit"]
        if snapshots and cached:
            others = tuple((snapshot.identity, snapshot.version) for snapshot in snapshots[1:])
            cache_key = (filters, key, limit, part, others)
            page = snapshots[0].cached(cache_key, lambda: read(key, limit))
        else:
            page = read(key, limit)
        headers = {"Cache-Control": PRIVATE} if personal else public_headers(etag)
        meta = self.meta(snapshots, rule_set=rule_set, demo=page.demo, model=page.model, times=times)
        return self._encoded(page, filters, headers, meta, form)

    async def stored(
        self,
        query: BaseModel,
        read: Callable[[Key | None, int], Awaitable[Sequence[KeyedItem]]],
        snapshots: Sequence[Snapshot] = (),
    ) -> Response:
        """One page of a list from the identity store; no cache may keep it.

        `read(after key, number)` returns up to so many items. `snapshots`: tables that were read besides.
        """
        parameters = query.model_dump()
        form = self._form(parameters)
        filters = filters_of(self.request.url.path, parameters)
        limit = parameters["limit"]
        rows = await read(self._cursors.decode(parameters["cursor"], filters), limit + 1)
        page = encode_page(rows, limit)
        return self._encoded(page, filters, {"Cache-Control": PRIVATE}, self.meta(snapshots), form)

    def _form(self, parameters: dict[str, Any]) -> ListFormat:
        """The form of a list. A requested file is sent whatever Accept names: many clients always name JSON.

        Raises Problem 406 when Accept excludes what it would be else.
        """
        requested: ListFormat | None = parameters["format"]
        form = list_format(self.request, requested)
        if requested not in FILES:
            require_acceptable(self.request, MEDIA_TYPES[form])
        return form

    def _encoded(
        self,
        page: EncodedPage,
        filters: str,
        headers: dict[str, str],
        meta: dict[str, Any],
        form: ListFormat,
    ) -> Response:
        cursor = self._cursors.encode(page.last, filters) if page.last else None
        if cursor:
            headers["Link"] = self.link_to(cursor)
        if form != "json":
            return self._file(orjson.loads(b"[" + page.items + b"]"), headers, meta, form)
        end = orjson.dumps({"next_cursor": cursor, "meta": meta})
        return Response(b'{"items":[' + page.items + b"]," + end[1:], headers=headers, media_type=JSON)

    def whole_list(
        self,
        snapshots: Sequence[Snapshot],
        item: bytes,
        requested: ListFormat | None,
        *,
        variant: str | None = None,
        **about: Unpack[About],
    ) -> Response:
        """`item`, or its `items` as a file."""
        form = self._form({"format": requested})
        if form == "json":
            return self.item(snapshots, item, variant=variant, **about)
        etag = etag_of(self.request, snapshots, f"{variant}|{form}")
        if unchanged := not_modified(self.request, etag):
            return unchanged
        meta = self.meta(snapshots, **about)
        return self._file(orjson.loads(item)["items"], public_headers(etag), meta, form)

    def _file(
        self, items: list[dict[str, Any]], headers: dict[str, str], meta: dict[str, Any], form: ListFormat
    ) -> Response:
        """The items as a file, with the fields of the schema as columns."""
        fields = field_types(self.request.scope["route"].response_model)
        body = csv_file(list(fields), items) if form == "csv" else xlsx_file(fields, items, meta)
        name = file_name(self.request, form, meta["as_of"])
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        charset = "; charset=utf-8" if form == "csv" else ""
        return Response(body, headers=headers, media_type=MEDIA_TYPES[form] + charset)

    def link_to(self, cursor: str) -> str:
        """The Link header that names the next page, without a host: that of a request can be forged."""
        url = self.request.url.include_query_params(cursor=cursor)
        return f'<{url.path}?{url.query}>; rel="next"'

    def item(
        self,
        snapshots: Sequence[Snapshot],
        item: dict[str, Any] | bytes,
        *,
        variant: str | None = None,
        **about: Unpack[About],
    ) -> Response:
        """A public response with one item, which depends on the snapshots (and `variant`) alone.

        `item`: a JSON object with at least one key, as bytes where it is encoded already.
        """
        etag = etag_of(self.request, snapshots, variant)
        if unchanged := not_modified(self.request, etag):
            return unchanged
        encoded = item if isinstance(item, bytes) else orjson.dumps(item)
        end = orjson.dumps({"meta": self.meta(snapshots, **about)})
        return Response(encoded[:-1] + b"," + end[1:], headers=public_headers(etag), media_type=JSON)

    def personal(
        self, snapshots: Sequence[Snapshot], item: dict[str, Any], **about: Unpack[About]
    ) -> Response:
        """A response with one item that no cache may keep: of a person, or computed for a POST."""
        return json_response({**item, "meta": self.meta(snapshots, **about)}, cache=PRIVATE)


async def _of_request(request: Request) -> Responses:
    return Responses(request)


CurrentResponses = Annotated[Responses, Depends(_of_request)]
