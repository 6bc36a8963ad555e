"""Doubtful events with their reasons, for operators."""

import base64
from typing import Annotated, Any

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from serving_api.access import operator
from serving_api.answers import Page, listed, one, page_of, rules_now
from serving_api.gold import Gold
from serving_api.paging import Key, time_range
from serving_api.problems import Problem, nothing_asked
from serving_api.quarantined import PLACE, by_id, listed_item, page_rows
from serving_api.reviews import Reviews
from serving_api.routes.decisions import decided
from serving_api.shapes import Many, QuarantineAsked, QuarantineRow, problems
from serving_api.shapes_review import QuarantineItem

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"], dependencies=[Depends(operator)])
EventPath = Annotated[str, Path(min_length=1, max_length=600)]


@router.get("", response_model=Many[QuarantineRow], responses=problems(401, 403, 410, 422), summary="Doubtful events and why")
async def quarantine(request: Request, query: Annotated[QuarantineAsked, Query()]) -> Response:
    """Events that broke a rule, newest first, with how they stand by now; `from` and `to` are times of quarantine, default the
    last 30 days."""
    gold: Gold = request.app.state.gold
    reviews: Reviews = request.app.state.reviews
    asked = time_range(query.from_, query.to)

    def answer() -> Response:
        snapshot, (reviewed, index) = gold["silver.quarantine"], reviews.now()

        def read(key: Key | None, limit: int) -> Page:
            return page_of(page_rows(snapshot, index, query, asked, key), limit)

        return listed(request, [snapshot, reviewed], query, read, asked=asked, rule_set=rules_now(), personal=True)

    return await run_sync(answer)


@router.get(
    "/{event_id}",
    response_model=QuarantineItem,
    responses=problems(401, 403, 404),
    summary="One doubtful event with its exact bytes",
    dependencies=[Depends(nothing_asked)],
)
async def quarantine_item(request: Request, event_id: EventPath) -> Response:
    """As it came: `payload` when its bytes are UTF-8, else `payload_base64`; of an id that came twice the newest open row."""
    return await run_sync(item_answer, request, event_id)


def item_answer(request: Request, event_id: str) -> Response:
    """The row, what the validators saw, and its decisions. Raises Problem 404."""
    gold: Gold = request.app.state.gold
    reviewed, index = request.app.state.reviews.now()
    snapshot = gold.now("silver.quarantine")
    row = by_id(snapshot, index, [event_id]).get(event_id)
    if row is None:
        raise Problem("not-found")
    decisions, versions = decided(request, event_id, index)
    item = listed_item(row, index) | {
        **as_text(row["payload"] or b""),
        "kafka": {name: row[name] for name in PLACE},
        **{name: orjson.loads(row[name]) if row[name] else None for name in ("evidence", "suggestion")},
        "decisions": [entry for _, entry in decisions[:100]],
    }
    return one(request, [snapshot, reviewed, versions], item, row["rule_set"])


def as_text(body: bytes) -> dict[str, Any]:
    """The exact bytes: as they are when they are UTF-8, else in base64."""
    try:
        return {"payload": body.decode(), "payload_base64": None}
    except UnicodeDecodeError:
        return {"payload": None, "payload_base64": base64.b64encode(body).decode()}
