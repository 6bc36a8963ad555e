"""The trace of an event, for its sender: its arrivals in bronze.events, newest first, and the status of each.

Cost: of bronze, only ids are read: of the newest 100,000 records first, then of four times as many each time,
up to `api.trace_events`; an id that arrived earlier is not found. The status then costs the files of the
batches in which the event arrived, not the tables. Who looks beyond the first two steps makes an expensive
request.

An id may be that of several senders. `id@sender` is the event of one of them, as it is called in the tables
if another one was first.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow.compute as pc
from anyio import from_thread
from anyio.to_thread import run_sync
from fastapi import Request, Response

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.event import id_of_sender, sender_of
from lakehouse.identity.roles import Principal, Role
from lakehouse.times import utc_text
from serving_api.http.callers import count_expensive
from serving_api.http.dependencies import CurrentSender
from serving_api.http.messages import message
from serving_api.http.path_parameters import EventIdInPath
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.keyset import time_slices
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.review.own_regions import is_own_event, payload_of
from serving_api.reads.review.quarantine import COORDINATES, read_day
from serving_api.reads.review.reviews import ReviewIndex, ReviewReader, record_of
from serving_api.reads.snapshots import Snapshot, Snapshots
from serving_api.schemas.ingest import EventTrace
from serving_api.writes.publish import AcceptedEvent, RememberingProducer

router = Router(prefix="/api/v1", tags=["ingest"])
FIRST_EVENTS = 100_000
GROWTH = 4
CHEAP_STEPS = 2  # the newest 500,000 records
STATISTICS_PRECISION = timedelta(milliseconds=1)  # file statistics cut the newest time to milliseconds
ARRIVAL = ("event_id", "kind", *COORDINATES, "source", "received_at", "ingested_at")
# Of an event of two kinds, the first of these is its status.
PRECEDENCE = ("pending", "quarantine", "duplicate", "silver")


@dataclass(frozen=True)
class ArrivalStatus:
    """The status of the newest arrival of one kind."""

    status: str
    table: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class EventStatus:
    """The status of all kinds of an event together."""

    status: str
    kinds: list[str]
    table: str | None
    warnings: list[str]
    sources: frozenset[str]
    newest: Mapping[str, Any]  # ARRIVAL of its newest one


@dataclass(frozen=True)
class Senders:
    """Whose event is meant by an id that several senders have used: the caller's, else the newest one."""

    is_own: Callable[[str], bool]  # whether events from this source are the caller's
    only_own: bool  # the events of others are not searched

    def are_searched(self, source: str) -> bool:
        """Whether events from this source are searched."""
        return self.is_own(source) or not self.only_own

    def choose(self, newest_first: Sequence[str]) -> str | None:
        """The source of the event that is meant; None when no event is."""
        searched = list(filter(self.are_searched, newest_first))
        return next(filter(self.is_own, searched), searched[0] if searched else None)


class EventLookup:
    """One look-up of an event; the snapshots that it has read are its provenance."""

    def __init__(self, snapshots: Snapshots, reviews: ReviewReader, senders: Senders) -> None:
        self._snapshots = snapshots
        self._reviews = reviews
        self._senders = senders
        self.read: dict[str, Snapshot] = {}
        self.searched_events = 0

    def find(self, event_id: str, is_accepted: bool, before_older: Callable[[], None]) -> EventStatus | None:
        """The status of the event of one sender; None when no arrival is found.

        Blocks: call it from a thread. `is_accepted`: the event is known to be new, so that it is not searched
        among old ones; `before_older` is called before those are read.
        """
        seen: list[dict[str, Any]] = []
        by_kind: dict[str, ArrivalStatus] = {}
        meant = None
        for step, arrivals in enumerate(self._arrivals(event_id), 1):
            meant = meant or self._senders.choose([arrival["source"] for arrival in arrivals])
            for arrival in arrivals:
                if meant and sender_of(arrival["source"]) != sender_of(meant):
                    continue
                seen.append(arrival)
                kind = arrival["kind"]
                newest = by_kind.get(kind)
                if newest is None:
                    by_kind[kind] = self._status_of(arrival)
                elif newest.status == "duplicate" and newest.table is None:  # look for the first arrival
                    by_kind[kind] = replace(self._status_of(arrival), status="duplicate")
            if seen and all(status.table or status.status == "pending" for status in by_kind.values()):
                break
            if step == CHEAP_STEPS:
                if is_accepted and not seen:
                    break
                before_older()
        if not seen:
            return None
        worst = min(by_kind.values(), key=lambda status: PRECEDENCE.index(status.status))
        warnings = list(dict.fromkeys(name for status in by_kind.values() for name in status.warnings))
        sources = frozenset(arrival["source"] for arrival in seen)
        return EventStatus(worst.status, sorted(by_kind), worst.table, warnings, sources, seen[0])

    def names_in(self, status: EventStatus) -> dict[str, Any]:
        """The texts that the newest arrival names, with its sender's market. Reads the files of a batch."""
        arrival = pc.scalar(True)
        for name in ("event_id", "ingested_at", *COORDINATES):
            arrival &= pc.field(name) == status.newest[name]
        row = self._open("bronze.events").read(arrival, ["value", "other_headers"]).to_pylist()[0]
        headers = dict(row["other_headers"] or ())
        return {name: headers[name] for name in ("market_id",) if name in headers} | payload_of(row["value"])

    def _open(self, table: str) -> Snapshot:
        self.read[table] = self._snapshots.open_newest(table)
        return self.read[table]

    def _arrivals(self, event_id: str) -> Iterator[list[dict[str, Any]]]:
        """Records of bronze with this id, newest first, one time slice at a time."""
        sent_id, _, sender = event_id.rpartition("@")

        def is_wanted(row: Mapping[str, Any]) -> bool:
            named = row["event_id"] == event_id or sender_of(row["source"]) == sender
            return named and self._senders.are_searched(row["source"])

        bronze = self._open("bronze.events")
        if bronze.delta is None:
            return
        actions = bronze.delta.get_add_actions(flatten=True)
        with_id = pc.field("event_id").isin([event_id, sent_id])
        for part in time_slices(actions, "ingested_at", FIRST_EVENTS, GROWTH):
            if self.searched_events and self.searched_events + part.rows > settings().api.trace_events:
                return
            self.searched_events += part.rows
            rows = bronze.read(with_id & part.contains("ingested_at"), ARRIVAL)
            yield sorted(
                filter(is_wanted, rows.to_pylist()),
                key=lambda row: (row["ingested_at"], row["received_at"], row["offset"]),
                reverse=True,
            )

    def _status_of(self, arrival: dict[str, Any]) -> ArrivalStatus:
        """The status of one arrival.

        A batch is in every table once gold.balance counts it, so that is read first.
        """
        counted = self._open("gold.balance").newest
        if counted is None or counted <= arrival["ingested_at"] - STATISTICS_PRECISION:
            return ArrivalStatus("pending")
        reviews: ReviewIndex
        self.read["gold.reviews"], reviews = self._reviews.read()
        if not self._is_quarantined(arrival):
            return self._in_silver(arrival, arrival["ingested_at"]) or ArrivalStatus("duplicate")
        generation = 0
        while (review := reviews.get((record_of(arrival), generation))) and review.outcome == "quarantine":
            generation += 1
        if review is None or review.outcome != "silver":
            return ArrivalStatus("quarantine", "silver.quarantine")
        released = self._in_silver(arrival, review.ingested_at)
        return released or ArrivalStatus("silver", kinds()[arrival["kind"]].table)

    def _is_quarantined(self, arrival: dict[str, Any]) -> bool:
        quarantine = self._open("silver.quarantine")
        ingested_at = arrival["ingested_at"]
        condition = _with_id_of(arrival) & (pc.field("quarantined_at") == ingested_at)
        rows = read_day(quarantine, f"{ingested_at:%Y-%m-%d}", condition, COORDINATES).to_pylist()
        return record_of(arrival) in {record_of(row) for row in rows}

    def _in_silver(self, arrival: dict[str, Any], ingested_at: datetime) -> ArrivalStatus | None:
        """The status in silver, of the rows that one batch wrote; files of other batches are skipped."""
        if arrival["kind"] not in kinds():
            return None
        table = kinds()[arrival["kind"]].table
        condition = _with_id_of(arrival) & (pc.field("ingested_at") == ingested_at)
        rows = self._open(table).read(condition, [*COORDINATES, "_warnings"]).to_pylist()
        matches = [row for row in rows if record_of(row) == record_of(arrival)]
        if not matches:
            return None
        warnings = list(dict.fromkeys(name for row in matches for name in row["_warnings"] or ()))
        return ArrivalStatus("silver", table, warnings)


def _with_id_of(arrival: Mapping[str, Any]) -> pc.Expression:
    """Which rows of silver or quarantine may be those of an arrival: with its id, or its sender's own."""
    event_id = arrival["event_id"]
    return pc.field("event_id").isin([event_id, id_of_sender(event_id, sender_of(arrival["source"]))])


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
    reviews: Shared[ReviewReader],
    responses: CurrentResponses,
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
    lookup = EventLookup(responses.snapshots, reviews, senders)
    source = senders.choose([*sent])
    accepted = sent[source] if source else None

    def before_older() -> None:
        from_thread.run_sync(count_expensive, request)

    status = await run_sync(lookup.find, event_id, accepted is not None, before_older)
    sources = status.sources if status else {accepted.source} if accepted else set()
    if not sources or not await run_sync(is_visible, caller, sources, status, lookup, responses.snapshots):
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
