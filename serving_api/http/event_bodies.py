"""Bodies with events: one event or a batch, split byte for byte and validated strictly."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from conf.settings import settings
from lakehouse.contracts.contract import sent_over_http
from lakehouse.event import Fault, Malformed, faults, kinds_of, parse_strict
from lakehouse.identity.roles import Principal, Role
from serving_api.http.auth import may_send
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.request_checks import JSON_MEDIA_TYPE, content_type_of
from serving_api.http.router import NOT_JSON

NDJSON = "application/x-ndjson"
MEDIA_TYPES = (JSON_MEDIA_TYPE, NDJSON)
FORBIDDEN = "kind_forbidden"
FOREIGN = "foreign_device"


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


def media_type_of(request: Request) -> str:
    """The body's media type. Raises Problem 415 for anything but JSON."""
    media_type = content_type_of(request)
    if media_type not in MEDIA_TYPES:
        raise Problem("unsupported-media-type", name=" or ".join(MEDIA_TYPES))
    return media_type


def is_batch(body: bytes, request: Request) -> bool:
    """Whether the body is newline-delimited JSON or an array."""
    return content_type_of(request) == NDJSON or body.lstrip()[:1] == b"["


def require_sendable(kind: str, caller: Principal) -> None:
    """Raises Problem 403 when the caller may not send events of this kind, 404 when no role may."""
    if kind not in sent_over_http():
        raise Problem("unknown-kind", name=kind)
    if not may_send(caller, sent_over_http()[kind]):
        raise Problem("forbidden", reason=required_role(kind))


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
    except (ValueError, IndexError, RecursionError) as error:
        fault = Fault("", "payload_json", "not a JSON array")
        raise Problem("malformed-body", [fault], reason=f"not a JSON array ({error})") from None


def _elements(text: str) -> list[bytes]:
    """Raises ValueError, IndexError or RecursionError for what is not one JSON array."""
    decoder = json.JSONDecoder()
    elements: list[bytes] = []
    at = _skip_space(text, _skip_space(text, 0) + 1)
    while text[at] != "]":
        end = decoder.raw_decode(text, at)[1]
        elements.append(text[at:end].encode())
        at = _skip_space(text, end)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
            if text[at] == "]":
                raise ValueError("a comma before the end")
        elif text[at] != "]":
            raise ValueError(f"no comma at character {at}")
    if _skip_space(text, at + 1) != len(text):
        raise ValueError("text after the array")
    return elements


def _skip_space(text: str, at: int) -> int:
    """The next position that is not JSON white space; the length at the end."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
