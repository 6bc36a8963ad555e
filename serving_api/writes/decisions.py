"""A decision on a quarantined row becomes an event; the first decision on a row wins.

Within this process that holds at once: a decided row is remembered until gold.reviews shows it. Between
processes, and across a restart while the stream is behind, the stream resolves it: the first in Kafka wins, a
later one is quarantined.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from anyio.to_thread import run_sync

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.event import Event, Fault, faults
from lakehouse.identity.roles import Principal
from lakehouse.io.kafka import AcknowledgedProducer
from lakehouse.signatures import SigningKeys
from lakehouse.times import rfc3339
from serving_api.http.messages import message
from serving_api.http.problems import Problem, payload_too_large
from serving_api.reads.review.own_regions import NEEDED, REGION, is_own_event, own_rows, payload_of
from serving_api.reads.review.quarantine import COORDINATES, rows_by_id
from serving_api.reads.review.reviews import ReviewReader, RowKey, key_of, record_of
from serving_api.reads.snapshots import Snapshots
from serving_api.writes.publish import publish

# A decision that gold.reviews does not show by then was not processed: the row may be decided again.
REMEMBERED_SECONDS = 3600
TARGET = (*NEEDED, "event_id", "kind", "generation", "state", "quarantined_at", "reasons", *COORDINATES)
NOT_CORRECTABLE = ("event_id", "kind")  # the identity of an event: with another one it is another event


@dataclass(frozen=True)
class DecisionRequest:
    """A requested decision, and the role that requests it."""

    decision: str
    reason: str
    decided_by: str
    correction: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SentDecision:
    """A decision that Kafka has acknowledged."""

    decision_id: str
    event_id: str
    request: DecisionRequest
    decided_at: datetime
    sent_at: float = field(default_factory=time.monotonic)


def correction_faults(kind: str, correction: Mapping[str, Any]) -> list[Fault]:
    """Faults of corrected fields by the kind's contract; pointers begin at /correction."""
    fixed = [
        Fault(f"/{name}", "field_fixed", f"{name} cannot be corrected")
        for name in NOT_CORRECTABLE
        if name in correction
    ]
    given = {f"/{name}" for name in correction}  # faults of fields that are not corrected do not count
    of_given = [
        fault
        for fault in faults(dict(correction), [kind])
        if f"/{fault.pointer[1:].partition('/')[0]}" in given
    ]
    return [Fault(f"/correction{fault.pointer}", fault.code, fault.message) for fault in (*fixed, *of_given)]


def unreadable_reason(row: Mapping[str, Any]) -> str | None:
    """The message of the first violated rule on the bytes that no release waives; None without one.

    Other rules may accept the event now: reference lists and history change, its bytes do not.
    """
    contract = kinds().get(row["kind"])
    final = {
        rule.name
        for rule in (contract.rules if contract else ())
        if rule.severity == "error" and rule.reads == "raw" and not rule.releasable
    }
    return next((reason["message"] for reason in row["reasons"] if reason["rule"] in final), None)


class Decisions:
    """Sends decisions and remembers them; one per process."""

    def __init__(
        self,
        snapshots: Snapshots,
        reviews: ReviewReader,
        producer: AcknowledgedProducer,
        keys: SigningKeys,
    ) -> None:
        self._keys = keys
        self._snapshots = snapshots
        self._reviews = reviews
        self._producer = producer
        self._sent: dict[RowKey, SentDecision] = {}
        self._locks: WeakValueDictionary[RowKey, asyncio.Lock] = WeakValueDictionary()

    async def targets(self, ids: Collection[str], caller: Principal) -> dict[str, dict[str, Any]]:
        """event id -> the row that a decision on it applies to.

        Without ids that were never quarantined, and rows of regions that the caller is not responsible for.
        """
        rows = await run_sync(self._targets, ids)
        is_own = own_rows(caller, self._snapshots)
        return {event_id: row for event_id, row in rows.items() if is_own is None or is_own(row)}

    async def target(self, event_id: str, caller: Principal) -> dict[str, Any]:
        """The row that a decision on an event applies to. Raises Problem 404 without one of the caller's."""
        row = (await self.targets([event_id], caller)).get(event_id)
        if row is None:
            raise Problem("not-found", reason=message("no_quarantined_event", name=event_id))
        return row

    def require_own_correction(
        self, row: Mapping[str, Any], correction: Mapping[str, Any], caller: Principal
    ) -> None:
        """Raises Problem 403 when the corrected event would be of a region that is not the caller's."""
        named = {"market_id": row["market_id"]} if row["market_id"] else {}
        corrected = {**named, **payload_of(row["payload"]), **correction}
        if row["kind"] in kinds() and not is_own_event(caller, [row["kind"]], corrected, self._snapshots):
            text = message("region_not_own")
            raise Problem("forbidden", [Fault("/correction", REGION, text)], reason=text)

    def _targets(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        reviews = self._reviews.read()[1]
        oldest = time.monotonic() - REMEMBERED_SECONDS
        for key, sent in list(self._sent.items()):
            if key in reviews or sent.sent_at < oldest:
                self._sent.pop(key, None)
        quarantine = self._snapshots.open_newest("silver.quarantine")
        return rows_by_id(quarantine, reviews, ids, TARGET, self._sent.keys())

    async def decide(self, row: Mapping[str, Any], request: DecisionRequest) -> SentDecision:
        """Send the decision; returns after Kafka's acknowledgement.

        Raises Problem 409 when the row is decided or a release cannot pass, 413 when the event is too large,
        503 when Kafka is unavailable.
        """
        key = key_of(row)
        lock = self._locks.setdefault(key, asyncio.Lock())
        # a second decision waits for the first: if that fails, the second one may be the first
        async with lock:
            if row["state"] != "open" or key in self._sent or key in self._reviews.index:
                raise Problem("already-decided", name=row["event_id"])
            if request.decision == "release" and (reason := unreadable_reason(row)):
                raise Problem("not-releasable", name=row["event_id"], reason=reason)
            sent = SentDecision(f"d-{uuid.uuid4().hex}", row["event_id"], request, datetime.now(UTC))
            await publish(self._producer, [self._keys.sign(event_of(row, sent))])
            self._sent[key] = sent
        return sent

    def pending(self, event_id: str) -> list[SentDecision]:
        """Decisions on an event that gold.reviews did not show when it was last read, newest first."""
        return sorted(
            (sent for sent in self._sent.values() if sent.event_id == event_id),
            key=lambda sent: sent.sent_at,
            reverse=True,
        )


def event_of(row: Mapping[str, Any], sent: SentDecision) -> Event:
    """The decision as an event, with the decided event as its key.

    Raises Problem 413 when it is too large.
    """
    payload: dict[str, Any] = {
        "event_id": sent.decision_id,
        "event_time": rfc3339(sent.decided_at),
        "target_event_id": row["event_id"],
        "target_kind": row["kind"],
        "target_record": record_of(row),
        "generation": row["generation"],
        "decision": sent.request.decision,
        "reason": sent.request.reason,
        "decided_by": sent.request.decided_by,
        "quarantined_at": rfc3339(row["quarantined_at"]),
    }
    if sent.request.correction is not None:
        payload["correction"] = sent.request.correction
    body = json.dumps(payload, ensure_ascii=False).encode()  # json: integers of any length
    if len(body) > settings().api.event_max_bytes:
        raise payload_too_large()
    source = f"api:{sent.request.decided_by}"
    return Event("decision", row["event_id"], body, sent.decision_id, source, sent.decided_at)
