"""Events received over HTTP: accepted ones go to their topic, refused ones to the dead letters."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from conf.settings import settings
from lakehouse.contracts.contract import sent_over_http
from lakehouse.event import DEAD_LETTERS, Event, Fault, event_id_of, series_key
from lakehouse.identity.roles import Principal
from lakehouse.io.kafka import AcknowledgedProducer, NotAcknowledged, dead_letter_headers
from lakehouse.signatures import SigningKeys
from lakehouse.times import utc_text
from serving_api.http import metrics
from serving_api.http.event_bodies import FORBIDDEN, FOREIGN, SubmittedEvent, parse_event
from serving_api.http.idempotency import identity_of
from serving_api.http.messages import message
from serving_api.http.problems import LISTED_FAULTS, Problem, invalid_fields
from serving_api.reads.responses import json_response
from serving_api.reads.review.own_regions import REGION, is_own_event
from serving_api.reads.snapshots import Snapshots
from serving_api.writes.publish import publish

log = logging.getLogger("lumbung.api")


class EventIntake:
    """The events of one request."""

    def __init__(
        self,
        request: Request,
        producer: AcknowledgedProducer,
        caller: Principal,
        content_type: str,
        snapshots: Snapshots,
        keys: SigningKeys | None = None,
    ) -> None:
        """`keys`: for a route that is the only way in of its kind, and signs for it."""
        self._request = identity_of(request)
        self._producer = producer
        self._caller = caller
        self._content_type = content_type
        self._snapshots = snapshots
        self._keys = keys
        self._source = f"api:{caller.subject}"
        self._received_at = datetime.now(UTC)

    async def accept_event(self, body: bytes, kind: str | None) -> Response:
        """202 with the receipt. Raises Problem 400, 403, 422 or 503."""
        event = self._parse(body, kind)
        if not event.faults:
            return await self.receipt(event)
        first = event.faults[0]
        if first.code == FORBIDDEN:
            raise Problem("forbidden", reason=first.message)
        if first.code == REGION:
            raise Problem("forbidden", [first], reason=first.message)
        if first.code == FOREIGN:
            raise Problem("foreign-device", reason=first.message)
        metrics.DOOR_EVENTS.labels("rejected").inc()
        await self.dead_letter(body, next(iter(event.kinds), kind), first.code)
        if event.unreadable:
            raise Problem("malformed-body", event.faults, reason=first.message)
        raise invalid_fields(event.faults, listed=None)

    def _parse(self, body: bytes, kind: str | None) -> SubmittedEvent:
        """The event; a valid one of a foreign region has that fault."""
        event = parse_event(body, kind, self._caller)
        foreign = None if event.faults else self._foreign_region(event.kinds, event.payload)
        return replace(event, faults=[foreign]) if foreign else event

    def _foreign_region(self, kinds: list[str], payload: dict[str, Any]) -> Fault | None:
        if is_own_event(self._caller, kinds, payload, self._snapshots):
            return None
        pointer = "/market_id" if "market_id" in payload else ""
        return Fault(pointer, REGION, message("region_not_own"))

    def require_own_region(self, kind: str, payload: dict[str, Any]) -> None:
        """Raises Problem 403 for a valid event of a region that is not the caller's."""
        if foreign := self._foreign_region([kind], payload):
            raise Problem("forbidden", [foreign], reason=foreign.message)

    async def receipt(self, event: SubmittedEvent) -> Response:
        """202 for a valid event, when Kafka has acknowledged it. Raises Problem 503."""
        event_id = (await self.send([event]))[0]
        receipt = {
            "event_id": event_id,
            "kinds": event.kinds,
            "status": "accepted",
            "received_at": utc_text(self._received_at),
        }
        return json_response(receipt, 202)

    async def accept_batch(self, bodies: list[bytes], kind: str | None) -> Response:
        """202 with the status of each event. Raises Problem 422 when none could be accepted, or 503."""
        events = [self._parse(body, kind) for body in bodies]
        refused = [event for event in events if event.faults]
        accepted = len(events) - len(refused)
        ids = await self.send(events)
        items = [
            {
                "index": index,
                "event_id": event_id,
                "status": "rejected" if event.faults else "accepted",
                "errors": [{"pointer": fault.pointer, "code": fault.code} for fault in event.faults],
            }
            for index, (event, event_id) in enumerate(zip(events, ids, strict=True))
        ]
        metrics.DOOR_EVENTS.labels("rejected").inc(len(refused))
        await asyncio.gather(
            *(
                self.dead_letter(event.body, next(iter(event.kinds), kind), event.faults[0].code)
                for event in refused
            )
        )
        if not accepted:
            faults = [
                Fault(f"/{index}{fault.pointer}", fault.code, fault.message)
                for index, event in enumerate(events)
                for fault in event.faults
            ]
            reason = "no event of the batch could be accepted"
            raise Problem("validation", faults[:LISTED_FAULTS], reason=reason)
        return json_response({"accepted": accepted, "rejected": len(refused), "items": items}, 202)

    async def send(self, events: list[SubmittedEvent]) -> list[str | None]:
        """Event ids, in order, when Kafka has acknowledged the events; None for one with faults, not sent.

        Raises Problem 503 with the ids: send all of them again. Under the same Idempotency-Key they keep
        their ids.
        """
        ids = [
            None if event.faults else self._id(event.payload, event.body, index)
            for index, event in enumerate(events)
        ]
        sent = [
            self._event(event, kind, event_id)
            for event, event_id in zip(events, ids, strict=True)
            if event_id is not None
            for kind in event.kinds
        ]
        try:
            await publish(self._producer, sent)
        except Problem as problem:
            raise Problem(problem.slug, extensions={"event_ids": ids}) from None
        metrics.DOOR_EVENTS.labels("accepted").inc(len(ids) - ids.count(None))
        return ids

    def _id(self, payload: Any, body: bytes, index: int) -> str:
        request = None if self._request is None else f"{self._request} {index}"
        return event_id_of(payload, body, self._source, request)

    def _event(self, event: SubmittedEvent, kind: str, event_id: str) -> Event:
        named = {} if event.market_id is None else {"market_id": event.market_id}
        accepted = Event(
            kind=kind,
            key=series_key(kind, event.payload | named, self._source),
            value=event.body,
            event_id=event_id,
            source=self._source,
            received_at=self._received_at,
            market_id=event.market_id,
        )
        return self._keys.sign(accepted) if self._keys else accepted

    async def dead_letter(self, body: bytes, kind: str | None, reason: str) -> None:
        """Store a refused body with the reason.

        The caller gets its refusal in any case, so a failure is only logged.
        """
        cut = body[: settings().api.event_max_bytes]
        event_id = event_id_of(None, cut, self._source)
        known_kind = kind if kind in sent_over_http() else "unknown"
        assert known_kind is not None
        event = Event(
            known_kind, self._source, cut, event_id, self._source, self._received_at, self._content_type
        )
        headers = event.headers + dead_letter_headers("http", reason, event.topic)
        try:
            await self._producer.send(DEAD_LETTERS, event.key, event.value, headers)
        except NotAcknowledged as error:
            log.warning("a refused body was not stored: %s", error)
