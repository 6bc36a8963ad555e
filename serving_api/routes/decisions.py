"""Decisions on quarantined events, one or many; each decision is an event of its own."""

import asyncio
from typing import Any

from fastapi import Response

from lakehouse.contracts.contract import kinds
from lakehouse.io.identity.database import Database
from lakehouse.times import utc_text
from serving_api.http.dependencies import CurrentOperator
from serving_api.http.path_parameters import EventIdInPath
from serving_api.http.problems import Problem, invalid_fields
from serving_api.http.router import LARGE_BODY, Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import json_response, receipt
from serving_api.schemas.decisions import (
    BulkDecisionBody,
    BulkDecisionReceipt,
    DecisionBody,
    DecisionReceipt,
)
from serving_api.schemas.quarantine import HoldBody, HoldReceipt
from serving_api.writes.act_audit import Act, audit_acts
from serving_api.writes.decisions import DecisionRequest, Decisions, SentDecision, correction_faults
from serving_api.writes.holds import Holds

router = Router(prefix="/api/v1/quarantine", tags=["quarantine"])


@router.post(
    "/decisions",
    status_code=202,
    response_model=BulkDecisionReceipt,
    openapi_extra=LARGE_BODY,
    summary="Decide many events",
)
async def decide_events(
    body: BulkDecisionBody,
    caller: CurrentOperator,
    decisions: Shared[Decisions],
    database: Shared[Database],
) -> Response:
    """The same decision on many events.

    Each is decided by itself: an unknown or decided event, or one that cannot be read and therefore not be
    released (`not-releasable`), does not stop the others. 503 when Kafka fails for
    one of them: send the request again, accepted ones are then `already-decided`.
    """
    event_ids = body.event_ids
    request = DecisionRequest(body.decision, body.reason, caller.subject)
    rows = await decisions.targets(set(event_ids), caller)
    sent: list[SentDecision] = []
    results = await asyncio.gather(
        *(decide_one(decisions, event_id, rows.get(event_id), request, sent) for event_id in event_ids),
        return_exceptions=True,
    )
    await audit_acts(database, caller, [act_of(decision) for decision in sent])
    for failure in (result for result in results if isinstance(result, BaseException)):
        raise failure
    return json_response({"items": results}, 202)


def act_of(sent: SentDecision) -> Act:
    """The decision as the audit has it."""
    return Act(f"quarantine.{sent.request.decision}", sent.event_id, sent.decision_id)


async def decide_one(
    decisions: Decisions,
    event_id: str,
    row: dict[str, Any] | None,
    request: DecisionRequest,
    sent_decisions: list[SentDecision],
) -> dict[str, Any]:
    """The item of one event; a decision that was sent is appended. Raises Problem 413 or 503."""
    item: dict[str, Any] = {"event_id": event_id, "status": "not-found", "decision_id": None, "reason": None}
    if row is None:
        return item
    try:
        sent = await decisions.decide(row, request)
    except Problem as problem:
        if problem.slug not in ("already-decided", "not-releasable"):
            raise
        return item | {"status": problem.slug, "reason": problem.parameters.get("reason")}
    sent_decisions.append(sent)
    return item | {"status": "accepted", "decision_id": sent.decision_id}


@router.post(
    "/{event_id}/decision",
    status_code=202,
    response_model=DecisionReceipt,
    summary="Release, correct or reject a quarantined event",
)
async def decide_event(
    event_id: EventIdInPath,
    body: DecisionBody,
    caller: CurrentOperator,
    decisions: Shared[Decisions],
    database: Shared[Database],
) -> Response:
    """202 once Kafka has stored the decision.

    The stream validates the row again; a valid row is written to silver once.

    An operator who is limited to regions cannot move a row out of these.

    The first decision on a row wins. A second one is 409 here; between API processes, the stream quarantines
    it.
    """
    row = await decisions.target(event_id, caller)
    if body.correction is not None and row["kind"] in kinds():
        faults = correction_faults(row["kind"], body.correction)
        if faults:
            raise invalid_fields(faults, listed=None)
        decisions.require_own_correction(row, body.correction, caller)
    sent = await decisions.decide(
        row,
        DecisionRequest(body.decision, body.reason, caller.subject, body.correction),
    )
    await audit_acts(database, caller, [act_of(sent)])
    about = {"decision_id": sent.decision_id, "decision": body.decision}
    return receipt(sent.decision_id, ["decision"], sent.decided_at, **about)


@router.post(
    "/{event_id}/hold",
    response_model=HoldReceipt,
    summary="Note that you are looking at a quarantined event",
)
async def hold_event(
    event_id: EventIdInPath,
    body: HoldBody,
    caller: CurrentOperator,
    decisions: Shared[Decisions],
    holds: Shared[Holds],
) -> Response:
    """For 120 s others who open the event get 409 `held`; the same caller renews it.

    It is a note, not a lock: a decision of somebody else is accepted. It is known to this API process alone.
    """
    row = await decisions.target(event_id, caller)
    if row["state"] != "open":
        raise Problem("already-decided", name=event_id)
    hold = holds.take(event_id, caller.subject)
    return json_response({"held_by": hold.held_by, "until": utc_text(hold.until)})
