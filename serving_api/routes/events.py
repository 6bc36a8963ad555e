"""The trace of an event, for its sender."""

from collections.abc import Collection
from typing import Any

from anyio import from_thread
from anyio.to_thread import run_sync
from fastapi import Request, Response

from lakehouse.contracts.contract import kinds
from lakehouse.identity.roles import Principal, Role
from lakehouse.times import utc_text
from serving_api.http.callers import count_expensive
from serving_api.http.dependencies import CurrentSender
from serving_api.http.messages import message
from serving_api.http.path_parameters import EventIdInPath
from serving_api.http.problems import Problem
from serving_api.http.rate_limits import RateLimits
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.event_trace import EventLookup, EventStatus, Senders
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.review.own_regions import is_own_event
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.ingest import EventTrace
from serving_api.writes.publish import AcceptedEvent, RememberingProducer

router = Router(prefix="/api/v1", tags=["ingest"])


@router.get(
    "/events/{event_id}",
    response_model=EventTrace,
    summary="Status of an event",
)
async def trace_event(
    request: Request,
    caller: CurrentSender,
    event_id: EventIdInPath,
    producer: Shared[RememberingProducer],
    snapshots: Shared[Snapshots],
    reviews: Shared[ReviewReader],
    responses: CurrentResponses,
    limits: Shared[RateLimits],
) -> Response:
    """The status of the newest arrival of an event.

    It is searched among the newest 10 million events (`api.trace_events`); an id that is not among them is
    404. A look-up beyond the newest 500,000 counts as an expensive request (`limits.expensive_per_minute`).
    A device sees only its own events, an operator who is limited to regions also those of these. Of an id
    that several senders have used, the caller's event, else the newest one; `id@sender` is that of one of
    them. `pending`: received by this service, or its batch is in progress.
    """
    sent = producer.accepted(event_id)
    senders = senders_for(caller, sent)
    lookup = EventLookup(snapshots, reviews, senders)
    source = senders.choose([*sent])
    accepted = sent[source] if source else None

    def before_older() -> None:
        from_thread.run_sync(count_expensive, request, limits)

    status = await run_sync(lookup.find, event_id, accepted is not None, before_older)
    sources = status.sources if status else {accepted.source} if accepted else set()
    if not sources or not await run_sync(is_visible, caller, sources, status, lookup, snapshots):
        searched = {"searched_events": lookup.searched_events}
        raise Problem("not-found", extensions=searched, reason=message("no_event", name=event_id))
    item = {"event_id": event_id, **trace_of(status, accepted)}
    return responses.personal(list(lookup.read.values()), item, rule_set=current_rule_set())


def senders_for(caller: Principal, sent: Collection[str]) -> Senders:
    """Whose events the caller may look up; `is_visible` narrows it further.

    `sent`: sources of what this process has sent under the id. Who has just sent it asks about that event,
    which the tables may not hold yet.
    """
    if caller.role is Role.DEVICE:
        return Senders(caller.sent, only_own=True)
    own = f"api:{caller.subject}"
    return Senders(lambda source: source == own, only_own=own in sent)


def is_visible(
    caller: Principal,
    sources: Collection[str],
    status: EventStatus | None,
    lookup: EventLookup,
    snapshots: Snapshots,
) -> bool:
    """Whether the caller has sent the event, or is responsible for where it comes from. Blocks."""
    if caller.role is Role.DEVICE:
        return any(map(caller.sent, sources))
    if caller.unlimited or f"api:{caller.subject}" in sources:
        return True
    if status is None:
        return False
    names = [kind for kind in status.kinds if kind in kinds()]
    return is_own_event(caller, names, lookup.names_in(status), snapshots)


def trace_of(status: EventStatus | None, accepted: AcceptedEvent | None) -> dict[str, Any]:
    """The status in the tables, else that of an event which this process has sent."""
    if status is not None:
        return {
            "status": status.status,
            "kinds": status.kinds,
            "table": status.table,
            "received_at": utc_text(status.newest["received_at"]),
            "warnings": status.warnings,
        }
    assert accepted is not None
    return {
        "status": "pending",
        "kinds": sorted(accepted.kinds),
        "table": None,
        "received_at": accepted.received_at,
        "warnings": [],
    }
