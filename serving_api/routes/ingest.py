"""Ingestion of events over HTTP: 202 only after Kafka has acknowledged them."""

from contextlib import suppress
from typing import Any

from fastapi import Request, Response

from conf.settings import settings
from lakehouse.contracts.contract import sent_over_http
from lakehouse.io.kafka import AcknowledgedProducer
from serving_api.http.dependencies import sender
from serving_api.http.event_bodies import is_batch, media_type_of, require_sendable, split_batch
from serving_api.http.openapi import reference
from serving_api.http.path_parameters import KindInPath
from serving_api.http.problems import Problem, payload_too_large
from serving_api.http.request_checks import content_type_of, refuse_query_parameters
from serving_api.http.router import Router, read_limited
from serving_api.http.shared import Shared
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.ingest import BatchReceipt, Receipt
from serving_api.schemas.problem import problems
from serving_api.writes.intake import EventIntake
from serving_api.writes.publish import RememberingProducer

router = Router(tags=["ingest"])
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "one event of at most 64 KiB, or up to 1,000 events of at most 1 MiB "
        "together: an array, or one per line with the content type application/x-ndjson; from a device "
        "of one market, an event without market_id is of that market",
        "content": {
            "application/json": {
                "schema": {"anyOf": [reference("Event"), reference("EventBatch")]},
                "example": {
                    "market_id": "PASAR-001",
                    "commodity": "cabai-rawit-merah",
                    "price": 55000,
                    "event_time": "2026-11-21T08:00:00+07:00",
                },
            },
        },
    },
    "security": [{"bearer": []}],
    "x-requires": sender.__name__,
}


@router.post(
    "/ingest",
    status_code=202,
    response_model=Receipt | BatchReceipt,
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=BODY,
    summary="Send events; their fields determine the kind",
)
async def ingest_events(
    request: Request, producer: Shared[RememberingProducer], snapshots: Shared[Snapshots]
) -> Response:
    """A payload with a price is a price event, one with a metric a sensor event, one with both is both.

    An operator who is limited to regions sends for markets and places of these.
    """
    return await accept(request, producer, snapshots, None)


@router.post(
    "/api/v1/ingest/{kind}",
    status_code=202,
    response_model=Receipt | BatchReceipt,
    responses=problems(400, 401, 403, 404, 413, 415, 422, 503),
    openapi_extra=BODY,
    summary="Send events of one kind",
)
async def ingest_events_of_kind(
    request: Request, kind: KindInPath, producer: Shared[RememberingProducer], snapshots: Shared[Snapshots]
) -> Response:
    """The kind in the address takes precedence over a `kind` in the payload."""
    return await accept(request, producer, snapshots, kind)


async def accept(
    request: Request, producer: AcknowledgedProducer, snapshots: Snapshots, kind: str | None
) -> Response:
    """The order of checks: 413, 415, 401, 403, 400, 422, 404."""
    body = await read_limited(request, settings().api.batch_max_bytes)
    batch = is_batch(body, request)
    if not batch and len(body) > settings().api.event_max_bytes:
        await keep_oversized(request, producer, snapshots, body, kind)
        raise payload_too_large()
    media_type = media_type_of(request)
    caller = await sender(request)
    if kind in sent_over_http():
        require_sendable(kind, caller)  # 403 comes before the faults of query and body
    intake = EventIntake(request, producer, caller, media_type, snapshots)
    refuse_query_parameters(request)
    try:
        if kind is not None:
            require_sendable(kind, caller)
        events = split_batch(body, media_type) if batch else [body]
    except Problem as problem:
        reason = problem.errors[0].code if problem.errors else problem.slug
        await intake.dead_letter(body, kind, reason)
        raise
    return await intake.accept_batch(events, kind) if batch else await intake.accept_event(body, kind)


async def keep_oversized(
    request: Request, producer: AcknowledgedProducer, snapshots: Snapshots, body: bytes, kind: str | None
) -> None:
    """Store the beginning of an event that is too large, if the caller may send events at all.

    The size is checked before the identity, so a caller that may not send gets 413 too.
    """
    with suppress(Problem):
        intake = EventIntake(request, producer, await sender(request), content_type_of(request), snapshots)
        await intake.dead_letter(body, kind, "payload_size")
