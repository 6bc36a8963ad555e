"""Ingestion of events over HTTP: 202 only after Kafka has acknowledged them."""

from fastapi import Response

from serving_api.http.openapi import body_of_events, reference
from serving_api.http.path_parameters import KindInPath
from serving_api.http.router import Router
from serving_api.schemas.ingest import BatchReceipt, Receipt
from serving_api.writes.intake import CurrentIntake

router = Router(tags=["ingest"])
BODY = body_of_events(
    {"anyOf": [reference("Event"), reference("EventBatch")]},
    {
        "market_id": "PASAR-001",
        "commodity": "cabai-rawit-merah",
        "price": 55000,
        "event_time": "2026-11-21T08:00:00+07:00",
    },
    "one event of at most 64 KiB, or up to 1,000 events of at most 1 MiB "
    "together: an array, or one per line with the content type application/x-ndjson; from a device "
    "of one market, an event without market_id is of that market",
)


@router.post(
    "/ingest",
    status_code=202,
    response_model=Receipt | BatchReceipt,
    openapi_extra=BODY,
    summary="Send events; their fields determine the kind",
)
async def ingest_events(intake: CurrentIntake) -> Response:
    """A payload with a price is a price event, one with a metric a sensor event, one with both is both.

    An operator who is limited to regions sends for markets and places of these.
    """
    return await intake.accept(None)


@router.post(
    "/api/v1/ingest/{kind}",
    status_code=202,
    response_model=Receipt | BatchReceipt,
    openapi_extra=BODY,
    summary="Send events of one kind",
)
async def ingest_events_of_kind(kind: KindInPath, intake: CurrentIntake) -> Response:
    """The kind in the address takes precedence over a `kind` in the payload."""
    return await intake.accept(kind)
