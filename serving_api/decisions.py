"""A person's decision on a quarantined row becomes an event; the first decision on a row wins.

Within this process that holds at once: a row that was decided here is remembered until gold.reviews shows it. Between processes,
and across a restart while the stream is behind, the stream resolves it: the first in Kafka wins, a later one is quarantined.
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

from conf.broker import AcknowledgedProducer
from conf.settings import settings
from lakehouse.event import Event, Fault, faults, rfc3339
from serving_api.bodies import too_large
from serving_api.gold import Gold
from serving_api.problems import Problem
from serving_api.quarantined import PLACE, by_id
from serving_api.reviews import Place, Reviews, place_of, record_of
from serving_api.sending import acknowledged

WAITED_SECONDS = 3600  # a decision that gold.reviews has not shown by then was not taken up; the row may be decided again
TARGET = ("event_id", "kind", "generation", "state", "quarantined_at", *PLACE)
NEVER_CORRECTED = ("event_id", "kind")  # who an event is; another identity is another event


@dataclass(frozen=True)
class Wanted:
    """What a person decides, and who it is."""

    decision: str
    reason: str
    decided_by: str
    correction: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Sent:
    """A decision that Kafka has acknowledged."""

    decision_id: str
    event_id: str
    wanted: Wanted
    decided_at: datetime
    since: float = field(default_factory=time.monotonic)


def correction_faults(kind: str, correction: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with corrected fields, by the payload section of the kind's contract; pointers begin at /correction."""
    found = [Fault(f"/{name}", "field_fixed", f"{name} cannot be corrected") for name in NEVER_CORRECTED if name in correction]
    given = {f"/{name}" for name in correction}  # faults of fields that are not corrected do not count
    found += [fault for fault in faults(dict(correction), [kind]) if f"/{fault.pointer[1:].partition('/')[0]}" in given]
    return [Fault(f"/correction{fault.pointer}", fault.code, fault.message) for fault in found]


class Decisions:
    """One per process."""

    def __init__(self, gold: Gold, reviews: Reviews, producer: AcknowledgedProducer) -> None:
        self._gold, self._reviews, self._producer = gold, reviews, producer
        self._sent: dict[Place, Sent] = {}
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    async def targets(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """event id -> the row that a decision on it means; ids that were never quarantined are left out."""
        return await run_sync(self._targets, ids)

    def _targets(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        reviews = self._reviews.now()[1]
        late = time.monotonic() - WAITED_SECONDS
        for place, sent in list(self._sent.items()):
            if place in reviews or sent.since < late:
                self._sent.pop(place, None)
        return by_id(self._gold.now("silver.quarantine"), reviews, ids, TARGET, self._sent.keys())

    async def decide(self, row: Mapping[str, Any], wanted: Wanted) -> Sent:
        """Send the decision; returns after Kafka's acknowledgement. Raises Problem 409 when the row is decided, 413, 503."""
        place = place_of(row)
        lock = self._locks.setdefault(place, asyncio.Lock())
        async with lock:  # a second decision waits for the first's acknowledgement: if that fails, the second may be the first
            if row["state"] != "open" or place in self._sent or place in self._reviews.index:
                raise Problem("already-decided", name=row["event_id"])
            sent = Sent(f"d-{uuid.uuid4().hex}", row["event_id"], wanted, datetime.now(UTC))
            await acknowledged(self._producer, [event_of(row, sent)])
            self._sent[place] = sent
        return sent

    def pending(self, event_id: str) -> list[Sent]:
        """Decisions on an event that gold.reviews did not show yet when it was last asked, newest first."""
        return sorted((one for one in self._sent.values() if one.event_id == event_id), key=lambda one: one.since, reverse=True)


def event_of(row: Mapping[str, Any], sent: Sent) -> Event:
    """The decision as an event, keyed by the event it decides. Raises Problem 413 when it is too large for the stream."""
    payload: dict[str, Any] = {
        "event_id": sent.decision_id,
        "event_time": rfc3339(sent.decided_at),
        "target_event_id": row["event_id"],
        "target_kind": row["kind"],
        "target_record": record_of(row),
        "generation": row["generation"],
        "decision": sent.wanted.decision,
        "reason": sent.wanted.reason,
        "decided_by": sent.wanted.decided_by,
        "quarantined_at": rfc3339(row["quarantined_at"]),
    }
    if sent.wanted.correction is not None:
        payload["correction"] = sent.wanted.correction
    body = json.dumps(payload, ensure_ascii=False).encode()  # whole numbers of any length
    if len(body) > settings().api.event_max_bytes:
        raise too_large()
    return Event("decision", row["event_id"], body, sent.decision_id, f"api:{sent.wanted.decided_by}", sent.decided_at)
