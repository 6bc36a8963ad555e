"""Events received over HTTP: accepted ones go to their topic, refused ones to the dead letters."""

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from conf.settings import settings
from lakehouse.contracts.contract import Contract, sent_over_http
from lakehouse.event import (
    DEAD_LETTERS,
    Event,
    Fault,
    Malformed,
    event_id_of,
    faults,
    kinds_of,
    parse_strict,
    series_key,
)
from lakehouse.identity.roles import Principal, Role
from lakehouse.io.kafka import AcknowledgedProducer, NotAcknowledged, dead_letter_headers
from lakehouse.signatures import SigningKeys
from serving_api.http import metrics
from serving_api.http.dependencies import CurrentSender
from serving_api.http.idempotency import identity_of
from serving_api.http.messages import message
from serving_api.http.problems import LISTED_FAULTS, Problem, invalid_fields, payload_too_large
from serving_api.http.request_checks import JSON_MEDIA_TYPE, content_type_of
from serving_api.http.router import NOT_JSON, read_limited
from serving_api.http.shared import Shared
from serving_api.reads.responses import json_response, receipt
from serving_api.reads.review.own_regions import REGION, is_own_event
from serving_api.reads.snapshots import Snapshots
from serving_api.writes.publish import RememberingProducer, publish

log = logging.getLogger("lumbung.api")
NDJSON = "application/x-ndjson"
MEDIA_TYPES = (JSON_MEDIA_TYPE, NDJSON)
FORBIDDEN = "kind_forbidden"
FOREIGN = "foreign_device"
DEVICE_KINDS = ("price", "sensor", "stock", "shipment")  # of a device with the role operator


@dataclass(frozen=True)
class SubmittedEvent:
    """One event of a body: its exact bytes, its kinds, its faults. `unreadable`: the bytes are not JSON.

    `market_id`: of the sending device, where the payload has none.
    """

    body: bytes
    payload: Any
    kinds: list[str]
    faults: list[Fault]
    unreadable: bool = False
    market_id: str | None = None


def may_send(principal: Principal, contract: Contract) -> bool:
    """Whether the caller may send events of the contract's kind: by rank, a device by its own role."""
    if principal.kinds_of is Role.OPERATOR:
        return contract.kind in DEVICE_KINDS
    return (principal.kinds_of or principal.role) >= Role[(contract.over_http or "admin").upper()]


def required_role(kind: str) -> str:
    """Which role may send the kind, as a sentence."""
    return message("role_for_kind", kind=kind, role=sent_over_http()[kind].over_http)


def parse_event(body: bytes, kind: str | None, caller: Principal) -> SubmittedEvent:
    """Parse and validate one event. `kind` is that of the address; it takes precedence over the payload."""
    if len(body) > settings().api.event_max_bytes:
        size = Fault("", "payload_size", f"an event has at most {settings().api.event_max_bytes} bytes")
        return SubmittedEvent(body, None, [], [size])
    try:
        payload = parse_strict(body)
    except Malformed as error:
        malformed = Fault("", error.code, str(error))
        return SubmittedEvent(body, None, [], [malformed], error.code in NOT_JSON)
    kinds = [kind] if kind else kinds_of(payload) if isinstance(payload, dict) else []
    unknown = [name for name in kinds if name not in sent_over_http()]
    if unknown:
        fault = Fault("/kind", "unknown_kind", f"there is no event kind '{unknown[0][:60]}'")
        return SubmittedEvent(body, payload, [], [fault])
    forbidden = [name for name in kinds if not may_send(caller, sent_over_http()[name])]
    if forbidden:
        fault = Fault("/kind", FORBIDDEN, required_role(forbidden[0]))
        return SubmittedEvent(body, payload, [], [fault])
    if foreign := foreign_fault(payload, caller):
        return SubmittedEvent(body, payload, [], [foreign])
    market_id = market_of_device(payload, caller)
    whole = payload if market_id is None else payload | {"market_id": market_id}
    return SubmittedEvent(body, payload, kinds, faults(whole, kinds), market_id=market_id)


def market_of_device(payload: Any, caller: Principal) -> str | None:
    """The market of a device that sends for one market alone, where the payload has none."""
    own = caller.market_id if caller.kinds_of is Role.OPERATOR else None
    return own if isinstance(payload, dict) and payload.get("market_id") is None else None


def foreign_fault(payload: Any, caller: Principal) -> Fault | None:
    """What names another device or market than the sending device; None for its own and for people.

    A device with a role above operator may send for any market.
    """
    own = {"device_id": caller.device_id}
    if caller.kinds_of is Role.OPERATOR:
        own["market_id"] = caller.market_id
    for name, value in own.items() if isinstance(payload, dict) else ():
        if value is not None and payload.get(name) not in (None, value):
            return Fault(f"/{name}", FOREIGN, message("foreign_device", field=name, value=value))
    return None


def require_own(payload: Any, caller: Principal) -> None:
    """Raises Problem 403 when a device names another device or market than its own."""
    if foreign := foreign_fault(payload, caller):
        raise Problem("foreign-device", reason=foreign.message)


def split_batch(body: bytes, media_type: str) -> list[bytes]:
    """The exact bytes of each event of a batch.

    Raises Problem 400 when it is malformed, 422 when too long.
    """
    if media_type == NDJSON:
        events = [line for line in body.split(b"\n") if line.strip()]
    else:
        events = split_array(body)
    limit = settings().api.batch_max_events
    if not events or len(events) > limit:
        message = f"a batch has 1 to {limit} events, this one {len(events)}"
        raise Problem("validation", [Fault("", "batch_size", message)], reason=message)
    return events


def split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array, cut out at the positions that the parser reports. Raises Problem 400."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        fault = Fault("", "payload_utf8", "the body is not UTF-8")
        raise Problem("malformed-body", [fault], reason="it is not UTF-8") from None
    try:
        return _elements(text)
    except (ValueError, RecursionError) as error:
        fault = Fault("", "payload_json", "not a JSON array")
        raise Problem("malformed-body", [fault], reason=f"not a JSON array ({error})") from None


def _elements(text: str) -> list[bytes]:
    """Raises ValueError or RecursionError for what is not one JSON array."""
    decoder = json.JSONDecoder()
    elements: list[bytes] = []
    end = text.index("[") + 1
    for _ in decoder.decode(text):
        begin = next(at for at in range(end, len(text)) if text[at] not in ", \t\r\n")
        end = decoder.raw_decode(text, begin)[1]
        elements.append(text[begin:end].encode())
    return elements


class EventIntake:
    """The events of one request."""

    def __init__(
        self,
        request: Request,
        producer: AcknowledgedProducer,
        caller: Principal,
        snapshots: Snapshots,
    ) -> None:
        self._request = request
        self._identity = identity_of(request)
        self._producer = producer
        self._caller = caller
        self._content_type = content_type_of(request)
        self._snapshots = snapshots
        self._source = f"api:{caller.subject}"
        self._received_at = datetime.now(UTC)

    async def accept(self, kind: str | None) -> Response:
        """202 with the receipt of the event of the body, or with the status of each event of a batch.

        Raises Problem 400, 403, 404, 413, 415, 422 or 503.
        """
        if kind in sent_over_http() and not may_send(self._caller, sent_over_http()[str(kind)]):
            raise Problem("forbidden", reason=required_role(str(kind)))
        body = await read_limited(self._request, settings().api.batch_max_bytes)
        is_batch = self._content_type == NDJSON or body.lstrip()[:1] == b"["
        if not is_batch and len(body) > settings().api.event_max_bytes:
            await self.dead_letter(body, kind, "payload_size")
            raise payload_too_large()
        if self._content_type not in MEDIA_TYPES:
            raise Problem("unsupported-media-type", name=" or ".join(MEDIA_TYPES))
        try:
            if kind is not None and kind not in sent_over_http():
                raise Problem("unknown-kind", name=kind)
            events = split_batch(body, self._content_type) if is_batch else [body]
        except Problem as problem:
            reason = problem.errors[0].code if problem.errors else problem.slug
            await self.dead_letter(body, kind, reason)
            raise
        return await self.accept_batch(events, kind) if is_batch else await self.accept_event(body, kind)

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

    async def receipt(self, event: SubmittedEvent, keys: SigningKeys | None = None) -> Response:
        """202 for a valid event, when Kafka has acknowledged it. Raises Problem 503.

        `keys`: for a route that is the only way in of its kind, and signs for it.
        """
        (event_id,) = await self.send([event], keys)
        return receipt(event_id, event.kinds, self._received_at)

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

    async def send(self, events: list[SubmittedEvent], keys: SigningKeys | None = None) -> list[str | None]:
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
            await publish(self._producer, [keys.sign(event) for event in sent] if keys else sent)
        except Problem as problem:
            raise Problem(problem.slug, extensions={"event_ids": ids}) from None
        metrics.DOOR_EVENTS.labels("accepted").inc(len(ids) - ids.count(None))
        return ids

    def _id(self, payload: Any, body: bytes, index: int) -> str:
        request = None if self._identity is None else f"{self._identity} {index}"
        return event_id_of(payload, body, self._source, request)

    def _event(self, event: SubmittedEvent, kind: str, event_id: str) -> Event:
        named = {} if event.market_id is None else {"market_id": event.market_id}
        return Event(
            kind=kind,
            key=series_key(kind, event.payload | named, self._source),
            value=event.body,
            event_id=event_id,
            source=self._source,
            received_at=self._received_at,
            market_id=event.market_id,
        )

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


async def _of_request(
    request: Request,
    caller: CurrentSender,
    producer: Shared[RememberingProducer],
    snapshots: Shared[Snapshots],
) -> EventIntake:
    return EventIntake(request, producer, caller, snapshots)


CurrentIntake = Annotated[EventIntake, Depends(_of_request)]
