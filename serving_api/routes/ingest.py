"""The HTTP door: 202 only when Kafka has acknowledged."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from conf.broker import AcknowledgedProducer, NotAcknowledged
from conf.settings import settings
from lakehouse.contract import sent_over_http
from lakehouse.event import DEAD_LETTERS, TOPIC_PREFIX, Event, Fault, event_id_of, series_key
from serving_api import metrics
from serving_api.access import Role, sender
from serving_api.answers import JSON, utc
from serving_api.bodies import (
    FORBIDDEN,
    Element,
    bounded,
    content_type_of,
    element,
    elements,
    is_batch,
    media_type,
    refuse_kind,
    too_large,
)
from serving_api.problems import Problem, nothing_asked
from serving_api.sending import acknowledged
from serving_api.shapes import BatchReceipt, Receipt, problems

log = logging.getLogger("lumbung.api")
router = APIRouter(tags=["ingest"])
EXAMPLE = {"market_id": "PASAR-001", "commodity": "cabai-rawit-merah", "price": 55000, "event_time": "2026-11-21T08:00:00+07:00"}
BODY = {
    "requestBody": {
        "required": True,
        "description": "one event of at most 64 KiB, or up to 1,000 (an array, or one a line) of at most 1 MiB together",
        "content": {
            "application/json": {"schema": {"oneOf": [{"type": "object"}, {"type": "array"}]}, "example": EXAMPLE},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    },
    "security": [{"bearer": []}],
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"model": Receipt | BatchReceipt, "description": "Kafka holds every accepted event"},
    **problems(400, 401, 403, 413, 415, 422, 503),
}


@router.post(
    "/ingest", status_code=202, responses=ANSWERS, openapi_extra=BODY, summary="Send events; the kind follows from their fields"
)
async def ingest(request: Request) -> Response:
    """A payload with a price is a price event, one with a metric a sensor event, one with both is both."""
    return await taken(request, None)


@router.post(
    "/api/v1/ingest/{kind}",
    status_code=202,
    responses=ANSWERS | problems(404),
    openapi_extra=BODY,
    summary="Send events of one kind",
)
async def ingest_kind(request: Request, kind: str) -> Response:
    """The kind of the address wins over a `kind` in the payload."""
    return await taken(request, kind)


async def taken(request: Request, kind: str | None) -> Response:
    """Checks in the contract's order: 413, 415, 401, 403, 400, 422, 404."""
    body = await bounded(request)
    batch = is_batch(body, request)
    if not batch and len(body) > settings().api.event_max_bytes:
        await keep_oversized(request, body, kind)
        raise too_large()
    content_type = media_type(request)
    role = sender(request)
    if kind in sent_over_http():
        refuse_kind(kind, role)  # 403 comes before what is wrong with the question or the body
    door = Door(request.app.state.producer, role, content_type)
    nothing_asked(request)
    try:
        if kind is not None:
            refuse_kind(kind, role)
        pieces = elements(body, content_type) if batch else [body]
    except Problem as problem:
        await door.dead_letter(body, kind, problem.errors[0].code if problem.errors else problem.slug)
        raise
    return await door.many(pieces, kind) if batch else await door.single(body, kind)


async def keep_oversized(request: Request, body: bytes, kind: str | None) -> None:
    """The beginning of an event that is too large, if its sender may send at all: size is told before identity is asked."""
    with suppress(Problem):
        door = Door(request.app.state.producer, sender(request), content_type_of(request))
        await door.dead_letter(body, kind, "payload_size")


class Door:
    """One request's events on their way to Kafka."""

    def __init__(self, producer: AcknowledgedProducer, role: Role, content_type: str) -> None:
        self._producer, self._role, self._type = producer, role, content_type
        self._source = f"api:{role.name.lower()}"
        self._received_at = datetime.now(UTC)

    async def single(self, body: bytes, kind: str | None, own_address: bool = False) -> Response:
        """202 with the receipt. Raises Problem 400, 403, 422 or 503."""
        one = element(body, kind, self._role, own_address)
        if one.faults:
            if one.faults[0].code == FORBIDDEN:
                raise Problem("forbidden", why=one.faults[0].message)
            metrics.DOOR_EVENTS.labels("rejected").inc()
            await self.dead_letter(body, next(iter(one.kinds), kind), one.faults[0].code)
            if one.unreadable:
                raise Problem("malformed-body", one.faults, why=one.faults[0].message)
            raise Problem("validation", one.faults, why="; ".join(fault.message for fault in one.faults[:5]))
        return await self.receipt(one)

    async def receipt(self, one: Element) -> Response:
        """202 for an event without faults, when Kafka has it. Raises Problem 503."""
        event_id = (await self.send([one]))[0]
        receipt = {"event_id": event_id, "kinds": one.kinds, "status": "accepted", "received_at": utc(self._received_at)}
        return Response(orjson.dumps(receipt), 202, media_type=JSON)

    async def many(self, pieces: list[bytes], kind: str | None) -> Response:
        """202 with what became of each. Raises Problem 422 when none could be accepted, or 503."""
        judged = [element(piece, kind, self._role) for piece in pieces]
        good = [one for one in judged if not one.faults]
        ids = iter(await self.send(good))
        items = [
            {
                "index": index,
                "event_id": None if one.faults else next(ids),
                "status": "rejected" if one.faults else "accepted",
                "errors": [{"pointer": fault.pointer, "code": fault.code} for fault in one.faults],
            }
            for index, one in enumerate(judged)
        ]
        bad = [one for one in judged if one.faults]
        metrics.DOOR_EVENTS.labels("rejected").inc(len(bad))
        await asyncio.gather(*(self.dead_letter(one.body, next(iter(one.kinds), kind), one.faults[0].code) for one in bad))
        if not good:
            found = [
                Fault(f"/{index}{fault.pointer}", fault.code, fault.message)
                for index, one in enumerate(judged)
                for fault in one.faults
            ]
            raise Problem("validation", found[:100], why="no event of the batch could be accepted")
        return Response(orjson.dumps({"accepted": len(good), "rejected": len(bad), "items": items}), 202, media_type=JSON)

    def _event(self, one: Element, kind: str, event_id: str) -> Event:
        key = series_key(kind, one.payload, self._source)
        return Event(kind, key, one.body, event_id, self._source, self._received_at, "application/json")

    async def send(self, good: list[Element]) -> list[str]:
        """Event ids, in order, when Kafka has acknowledged all. Raises Problem 503: the caller sends all of it again."""
        ids = [event_id_of(one.payload, one.body, self._source) for one in good]
        events = [self._event(one, kind, event_id) for one, event_id in zip(good, ids, strict=True) for kind in one.kinds]
        await acknowledged(self._producer, events)
        metrics.DOOR_EVENTS.labels("accepted").inc(len(good))
        return ids

    async def dead_letter(self, body: bytes, kind: str | None, reason: str) -> None:
        """Keep a refused body with its reason. The caller is told of the refusal anyway, so Kafka's absence is only logged."""
        cut = body[: settings().api.event_max_bytes]
        event_id, meant = event_id_of(None, cut, self._source), kind if kind in sent_over_http() else "unknown"
        event = Event(meant, self._source, cut, event_id, self._source, self._received_at, self._type)
        said = [("door", b"http"), ("reason", reason.encode()), ("original_topic", (TOPIC_PREFIX + event.kind).encode())]
        try:
            await self._producer.send(DEAD_LETTERS, event.key, event.value, event.headers + said)
        except NotAcknowledged as error:
            log.warning("a refused body was not kept: %s", error)
