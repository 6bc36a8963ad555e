"""Quarantined events with their reasons, for operators."""

import base64
from typing import Any

import orjson
from fastapi import Response

from serving_api.http.dependencies import CurrentOperator
from serving_api.http.messages import message
from serving_api.http.path_parameters import EventIdInPath
from serving_api.http.problems import Problem, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.quarantine_subjects import evidence_of, subject_of
from serving_api.reads.dashboard.quarantine_summary import read_summary
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.review.decisions import decisions_on
from serving_api.reads.review.own_regions import own_rows
from serving_api.reads.review.quarantine import COORDINATES, in_language, listed_item, rows_by_id
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.quarantine import QuarantineItem, QuarantineSummary
from serving_api.writes.decisions import Decisions

router = Router(prefix="/api/v1/quarantine", tags=["quarantine"])
LISTED_DECISIONS = 100


@router.get("/summary", response_model=QuarantineSummary, summary="The quarantine in numbers")
def get_quarantine_summary(
    caller: CurrentOperator,
    snapshots: Shared[Snapshots],
    reviews: Shared[ReviewReader],
    responses: CurrentResponses,
) -> Response:
    """Open rows by rule and market, and what arrived and was decided on each UTC day.

    An operator who is limited to regions gets the numbers of their rows.
    """
    is_own = own_rows(caller, snapshots)
    reviewed, index = reviews.read()
    snapshot = snapshots["silver.quarantine"]
    key = ("summary", reviewed.version, caller.regions if is_own else ())
    item = snapshot.cached(key, lambda: read_summary(snapshots, index, is_own))
    return responses.personal([snapshot, reviewed], item, rule_set=current_rule_set())


@router.get(
    "/{event_id}",
    response_model=QuarantineItem,
    summary="A quarantined event with its exact bytes",
)
def get_quarantined_event(
    event_id: EventIdInPath,
    caller: CurrentOperator,
    snapshots: Shared[Snapshots],
    reviews: Shared[ReviewReader],
    decisions: Shared[Decisions],
    responses: CurrentResponses,
) -> Response:
    """The event as it was received: `payload` when its bytes are UTF-8, else `payload_base64`.

    Of an id that was quarantined more than once, the newest open row.
    """
    is_own = own_rows(caller, snapshots)
    reviewed, index = reviews.read()
    snapshot = snapshots.open_newest("silver.quarantine")
    row = rows_by_id(snapshot, index, [event_id]).get(event_id)
    if row is None or (is_own is not None and not is_own(row)):
        raise Problem("not-found", reason=message("no_quarantined_event", name=event_id))
    decided, stored = decisions_on(event_id, snapshots, index, decisions.pending(event_id))
    item = in_language(listed_item(row, index), language_of(responses.request)) | {
        **as_text(row["payload"] or b""),
        "kafka": {name: row[name] for name in COORDINATES},
        "subject": subject_of(row, snapshots),
        "evidence": evidence_of(row, snapshots),
        "suggestion": orjson.loads(row["suggestion"]) if row["suggestion"] else None,
        "decisions": [entry for _, entry in decided[:LISTED_DECISIONS]],
    }
    return responses.personal([snapshot, reviewed, stored], item, rule_set=row["rule_set"])


def as_text(body: bytes) -> dict[str, Any]:
    """The exact bytes: as text when they are UTF-8, else in base64."""
    try:
        return {"payload": body.decode(), "payload_base64": None}
    except UnicodeDecodeError:
        return {"payload": None, "payload_base64": base64.b64encode(body).decode()}
