"""Bodies of the HTTP door: bounded while they are read, cut into events byte for byte, judged strictly."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from conf.settings import settings
from lakehouse.contract import sent_over_http
from lakehouse.event import Fault, Malformed, faults, kinds_of, parse_strict
from serving_api.access import Role, may_send
from serving_api.problems import Problem, nothing_asked, of_body

NDJSON = "application/x-ndjson"
MEDIA_TYPES = ("application/json", NDJSON)
FORBIDDEN = "kind_forbidden"
UNREADABLE = ("payload_json", "payload_utf8")  # these bytes are no JSON: 400; other faults are 422


@dataclass(frozen=True)
class Element:
    """One event of a body: its exact bytes, its kinds when it may pass, its faults when not."""

    body: bytes
    payload: Any
    kinds: list[str]
    faults: list[Fault]
    unreadable: bool = False


def too_large() -> Problem:
    """413 with both bounds."""
    return Problem("payload-too-large", event=settings().api.event_max_bytes, batch=settings().api.batch_max_bytes)


async def bounded(request: Request, most: int | None = None) -> bytes:
    """The body. Raises Problem 413 before reading when its length is told, else as soon as it is longer than a batch may be."""
    most = most or settings().api.batch_max_bytes
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise too_large()
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise too_large()
    return bytes(body)


def content_type_of(request: Request) -> str:
    """As told, without parameters; empty when nothing was told."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def media_type(request: Request) -> str:
    """Raises Problem 415 for anything but JSON."""
    given = content_type_of(request)
    if given not in MEDIA_TYPES:
        raise Problem("unsupported-media-type", name=" or ".join(MEDIA_TYPES))
    return given


def is_batch(body: bytes, request: Request) -> bool:
    """Newline JSON or an array."""
    return content_type_of(request) == NDJSON or body.lstrip()[:1] == b"["


def refuse_kind(kind: str, role: Role) -> None:
    """Raises Problem 403 when the role may not send events of this kind, 404 when nobody may send them here."""
    if kind not in sent_over_http():
        raise Problem("unknown-kind", name=kind)
    if not may_send(role, sent_over_http()[kind]):
        raise Problem("forbidden", why=needs(kind))


def needs(kind: str) -> str:
    """Who may send the kind, as a sentence."""
    return f"sending {kind} events needs the role {sent_over_http()[kind].over_http}"


def element(body: bytes, kind: str | None, role: Role, own_address: bool = False) -> Element:
    """Judge one event. `kind` by the address wins over the payload; `own_address`: the address knows who may send its kind."""
    if len(body) > settings().api.event_max_bytes:
        return Element(
            body, None, [], [Fault("", "payload_size", f"an event has at most {settings().api.event_max_bytes} bytes")]
        )
    try:
        payload = parse_strict(body)
    except Malformed as error:
        return Element(body, None, [], [Fault("", error.code, str(error))], error.code in UNREADABLE)
    wanted = [kind] if kind else kinds_of(payload) if isinstance(payload, dict) else []
    if own_address:
        return Element(body, payload, wanted, faults(payload, wanted))
    unknown = [name for name in wanted if name not in sent_over_http()]
    if unknown:
        return Element(body, payload, [], [Fault("/kind", "unknown_kind", f"no event kind is called '{unknown[0][:60]}'")])
    too_high = [name for name in wanted if not may_send(role, sent_over_http()[name])]
    if too_high:
        return Element(body, payload, [], [Fault("/kind", FORBIDDEN, needs(too_high[0]))])
    return Element(body, payload, wanted, faults(payload, wanted))


def elements(body: bytes, given: str) -> list[bytes]:
    """The exact bytes of each event of a batch. Raises Problem 400 when it cannot be read, 422 when it is too long."""
    found = [line for line in body.split(b"\n") if line.strip()] if given == NDJSON else array_elements(body)
    most = settings().api.batch_max_events
    if not found or len(found) > most:
        message = f"a batch has 1 to {most} events, this one {len(found)}"
        raise Problem("validation", [Fault("", "batch_size", message)], why=message)
    return found


def array_elements(body: bytes) -> list[bytes]:
    """Slices of a JSON array, found by the parser's own positions. Raises Problem 400."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("malformed-body", [Fault("", "payload_utf8", "the body is not UTF-8")], why="it is not UTF-8") from None
    decoder, found = json.JSONDecoder(), []
    try:
        at = after_space(text, after_space(text, 0) + 1)
        while text[at] != "]":
            end = decoder.raw_decode(text, at)[1]
            found.append(text[at:end].encode())
            at = after_space(text, end)
            if text[at] == ",":
                at = after_space(text, at + 1)
                if text[at] == "]":
                    raise ValueError("a comma before the end")
            elif text[at] != "]":
                raise ValueError(f"no comma at character {at}")
        if after_space(text, at + 1) != len(text):
            raise ValueError("text after the array")
    except (ValueError, IndexError, RecursionError) as error:
        raise Problem(
            "malformed-body", [Fault("", "payload_json", "not a JSON array")], why=f"not a JSON array ({error})"
        ) from None
    return found


def after_space(text: str, at: int) -> int:
    """The next position that is not JSON white space; the length at the end."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


Who = TypeVar("Who", bound=Role | None)
Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True)
class Document(Generic[Who]):
    """A body that is one JSON document, its exact bytes, and who sent it."""

    who: Who
    body: bytes
    value: Any

    def shaped(self, shape: type[Shape]) -> Shape:
        """As the model has it. Raises Problem 422 with every fault."""
        return shaped(self.value, shape)


def shaped(value: Any, shape: type[Shape]) -> Shape:
    """A parsed value as the model has it. Raises Problem 422 with every fault."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise of_body(error.errors()) from None


async def document(request: Request, identify: Callable[[Request], Who], most: int | None = None) -> Document[Who]:
    """A JSON body of at most `most` bytes (an event's bound), checked in the contract's order: 413, 415, 401, 403, 400, 422."""
    body = await bounded(request, most or settings().api.event_max_bytes)
    if content_type_of(request) != MEDIA_TYPES[0]:
        raise Problem("unsupported-media-type", name=MEDIA_TYPES[0])
    who = identify(request)
    try:
        value = parse_strict(body)
    except Malformed as error:
        fault = Fault("", error.code, str(error))
        raise Problem("malformed-body" if error.code in UNREADABLE else "validation", [fault], why=str(error)) from None
    nothing_asked(request)
    return Document(who, body, value)
