"""Decisions on quarantined rows: taken by a person, one or many, each an event of its own."""

import asyncio
from typing import Annotated, Any

import orjson
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from conf.settings import settings
from lakehouse.contract import kinds
from serving_api.access import operator
from serving_api.answers import JSON, Page, accepts, after, listed, page_of, plain, utc
from serving_api.bodies import document
from serving_api.decisions import Decisions, Sent, Wanted, correction_faults
from serving_api.gold import Gold, Snapshot
from serving_api.paging import Key
from serving_api.problems import Problem
from serving_api.reviews import Index, Place, Reviews
from serving_api.shapes import Many, problems
from serving_api.shapes_review import (
    BulkReceipt,
    DecisionBody,
    DecisionReceipt,
    DecisionRow,
    DecisionsAsked,
    DecisionsBody,
)

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"])
EventPath = Annotated[str, Path(min_length=1, max_length=600)]
ASKED_OF = ("event_id", "target_record", "generation", "decision", "reason", "decided_by", "event_time")


def body_of(shape: Any) -> dict[str, Any]:
    """OpenAPI of a JSON body that the route reads by itself, in the contract's order of checks."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


@router.post(
    "/decisions",
    status_code=202,
    responses={202: {"model": BulkReceipt}, **problems(400, 401, 403, 413, 415, 422, 503)},
    openapi_extra=body_of(DecisionsBody),
    summary="The same decision on many events",
)
async def decide_many(request: Request) -> Response:
    """Each event by itself: what is not there or decided already does not stop the others. When Kafka fails for one of them the
    answer is 503: send it again, those that were accepted are then `already-decided`."""
    accepts(request, "application/json")
    given = await document(request, operator, settings().api.batch_max_bytes)
    asked = given.shaped(DecisionsBody)
    decisions: Decisions = request.app.state.decisions
    rows = await decisions.targets(set(asked.event_ids))
    wanted = Wanted(asked.decision, asked.reason, given.who.name.lower())

    async def status(event_id: str) -> dict[str, Any]:
        said: dict[str, Any] = {"event_id": event_id, "status": "not-found", "decision_id": None}
        if event_id not in rows:
            return said
        try:
            sent = await decisions.decide(rows[event_id], wanted)
        except Problem as problem:
            if problem.slug != "already-decided":
                raise
            return said | {"status": problem.slug}
        return said | {"status": "accepted", "decision_id": sent.decision_id}

    found = await asyncio.gather(*(status(event_id) for event_id in asked.event_ids), return_exceptions=True)
    for failure in (one for one in found if isinstance(one, BaseException)):
        raise failure
    return Response(orjson.dumps({"items": found}), 202, media_type=JSON)


@router.post(
    "/{event_id}/decision",
    status_code=202,
    responses={202: {"model": DecisionReceipt}, **problems(400, 401, 403, 404, 409, 413, 415, 422, 503)},
    openapi_extra=body_of(DecisionBody),
    summary="Release, correct or reject a quarantined event",
)
async def decide(request: Request, event_id: str) -> Response:
    """202 once Kafka holds the decision. The stream judges the row again: what passes lands in silver once. The first decision on
    a row wins; here a second one is 409, and between API processes the stream quarantines it."""
    accepts(request, "application/json")
    given = await document(request, operator)
    asked = given.shaped(DecisionBody)
    decisions: Decisions = request.app.state.decisions
    row = (await decisions.targets([event_id])).get(event_id)
    if row is None:
        raise Problem("not-found")
    if asked.correction is not None and row["kind"] in kinds() and (wrong := correction_faults(row["kind"], asked.correction)):
        raise Problem("validation", wrong, why="; ".join(fault.message for fault in wrong[:5]))
    sent = await decisions.decide(row, Wanted(asked.decision, asked.reason, given.who.name.lower(), asked.correction))
    receipt = {
        "event_id": sent.decision_id,
        "kinds": ["decision"],
        "status": "accepted",
        "received_at": utc(sent.decided_at),
        "decision_id": sent.decision_id,
        "decision": asked.decision,
    }
    return Response(orjson.dumps(receipt), 202, media_type=JSON)


@router.get(
    "/{event_id}/decisions",
    response_model=Many[DecisionRow],
    responses=problems(401, 403, 404, 410, 422),
    summary="What was decided about an event",
    dependencies=[Depends(operator)],
)
async def decisions_of(request: Request, event_id: EventPath, query: Annotated[DecisionsAsked, Query()]) -> Response:
    """Newest first; `pending` until the stream has taken the decision up."""
    decisions: Decisions = request.app.state.decisions
    reviews: Reviews = request.app.state.reviews

    def answer() -> Response:
        reviewed, index = reviews.now()
        rows, taken = decided(request, event_id, index)

        def read(key: Key | None, limit: int) -> Page:
            return page_of(after(rows, key)[: limit + 1], limit)

        return listed(request, [taken, reviewed], query, read, personal=True, keep=False)

    if not await decisions.targets([event_id]):
        raise Problem("not-found")
    return await run_sync(answer)


def decided(request: Request, event_id: str, reviews: Index) -> tuple[list[tuple[Key, dict[str, Any]]], Snapshot]:
    """(sort key, item) of every decision on an event, newest first: those of the table and those still on their way to it."""
    gold: Gold = request.app.state.gold
    decisions: Decisions = request.app.state.decisions
    snapshot = gold.now("silver.decisions")
    found = {sent.decision_id: (sent.decided_at, on_its_way(sent)) for sent in decisions.pending(event_id)}
    if snapshot.delta is not None:
        dataset = snapshot.delta.to_pyarrow_dataset()
        for row in dataset.to_table(columns=list(ASKED_OF), filter=pc.field("target_event_id") == event_id).to_pylist():
            found[row["event_id"]] = (row["event_time"], taken_up(row, reviews))
    keyed: list[tuple[Key, dict[str, Any]]] = [((-at.timestamp(), name), item) for name, (at, item) in found.items()]
    return sorted(keyed, key=lambda pair: pair[0]), snapshot


def on_its_way(sent: Sent) -> dict[str, Any]:
    """A decision that Kafka has and the tables do not yet show."""
    return {
        "decision_id": sent.decision_id,
        "decision": sent.wanted.decision,
        "reason": sent.wanted.reason,
        "decided_by": sent.wanted.decided_by,
        "decided_at": utc(sent.decided_at),
        "outcome": "pending",
    }


def taken_up(row: dict[str, Any], reviews: Index) -> dict[str, Any]:
    """A row of silver.decisions with what became of it."""
    place: Place = (row["target_record"], row["generation"])
    review = reviews.get(place)
    return {
        "decision_id": row["event_id"],
        **{name: row[name] for name in ("decision", "reason", "decided_by")},
        "decided_at": plain(row["event_time"]),
        "outcome": review.outcome if review and review.decision_id == row["event_id"] else "pending",
    }
