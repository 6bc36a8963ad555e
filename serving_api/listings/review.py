"""Lists for operators: quarantined events, and the decisions on one of them."""

import pyarrow.compute as pc
from fastapi import Depends

from lakehouse.identity.roles import Principal
from serving_api.http.cursors import Key
from serving_api.http.dependencies import OPERATOR, CurrentOperator
from serving_api.http.path_parameters import EventIdInPath
from serving_api.http.shared import Shared
from serving_api.listings.listing import Filter, Listing, ListRequest, equal, listing_router
from serving_api.reads.responses import KeyedItem
from serving_api.reads.review.decisions import decisions_on
from serving_api.reads.review.own_regions import own_rows
from serving_api.reads.review.quarantine import days_within, in_language, page_rows
from serving_api.reads.review.reviews import ReviewReader
from serving_api.schemas.decisions import DecisionRow
from serving_api.schemas.envelope import Name
from serving_api.schemas.quarantine import EventKind, QuarantineRow, ReviewState, Stage
from serving_api.writes.decisions import Decisions, SentDecision


async def pending_decisions(
    event_id: EventIdInPath, caller: CurrentOperator, decisions: Shared[Decisions]
) -> list[SentDecision]:
    """The decisions on an event that the tables do not show yet. Raises Problem 404 for an unknown event."""
    await decisions.target(event_id, caller)
    return decisions.pending(event_id)


def quarantined(
    request: ListRequest, condition: pc.Expression, key: Key | None, limit: int
) -> list[KeyedItem]:
    """The rows after `key` with their current state, their messages in the language of the request."""
    assert request.times is not None
    days = days_within(request.snapshot, request.times, key)
    is_own = own_rows(request.context, request.snapshots)
    _, reviews = request.shared[ReviewReader].read()
    rows = page_rows(request.snapshots, reviews, request.values, condition, days, key, limit + 1, is_own)
    return [(at, in_language(item, request.language)) for at, item in rows]


def seen_by(request: ListRequest) -> str:
    """The language and the regions that a page is for."""
    caller: Principal = request.context
    return f"{request.language} {'' if caller.unlimited else ','.join(caller.regions)}"


def decisions(request: ListRequest) -> list[KeyedItem]:
    """The decisions on the event."""
    _, reviews = request.shared[ReviewReader].read()
    return decisions_on(request.values["event_id"], request.snapshots, reviews, request.context)[0]


QUARANTINE = Listing(
    table="silver.quarantine",
    path="/api/v1/quarantine",
    name="list_quarantine",
    item=QuarantineRow,
    summary="Quarantined events and their reasons",
    description="""Events that violate a rule, newest first, with their current state.

    `from` and `to` are times of quarantine; default: the 30 days that end with the newest of them. Messages
    are in Indonesian when Accept-Language names `id`. An operator who is limited to regions sees
    their rows.""",
    times="quarantined_at",
    others=("gold.reviews",),
    filters=(
        equal("kind", "kind of the event", EventKind),
        Filter("rule", "rows that violate this rule", annotation=Name),
        equal("market_id", "as given in the event", Name),
        equal("source", "door and sender, such as mqtt:DEV-123", Name),
        Filter("commodity", "as given in the event, or a name of the reference list", annotation=Name),
        equal("stage", "where it was refused: by the stream or at a door", Stage),
        Filter("state", "current state; open: not decided yet", annotation=ReviewState),
    ),
    read=quarantined,
    variant=seen_by,
    rule_set=True,
    context=OPERATOR,
    statuses=(),
)
DECISIONS = Listing(
    table="silver.decisions",
    path="/api/v1/quarantine/{event_id}/decisions",
    name="list_decisions",
    item=DecisionRow,
    summary="Decisions on an event",
    description="Newest first; `pending` until the stream has processed the decision.",
    others=("gold.reviews",),
    filters=(Filter("event_id", None, annotation=EventIdInPath, in_path=True),),
    keyed=decisions,
    context=Depends(pending_decisions),
    cached=False,
)
router = listing_router("quarantine", QUARANTINE, DECISIONS)
