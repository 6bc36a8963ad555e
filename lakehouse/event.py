"""The event of every door: exact bytes plus an envelope of headers. Pure functions; the door does the I/O."""

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from lakehouse.contract import Contract, Field, kinds

TOPIC_PREFIX = "lumbung."
DEAD_LETTERS = "lumbung.dlq"
EVENT_MAX_BYTES = 65536
EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
RFC3339 = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"
# Half of a surrogate pair or an escaped NUL: legal JSON to some parsers, text to nobody. Read by Python and Java alike.
BAD_ESCAPE = (
    r"(?<!\\)(?:\\\\)*(?:\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Malformed(ValueError):
    """Bytes that are not one JSON value; `code` is the name of the rule that the stream would use."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class Fault:
    """One fault of a payload: JSON pointer, rule name as in the stream, and a sentence."""

    pointer: str
    code: str
    message: str


@dataclass(frozen=True)
class Event:
    """What goes to Kafka: topic `lumbung.<kind>`, series key, exact bytes, envelope."""

    kind: str
    key: str
    value: bytes
    event_id: str
    source: str
    received_at: datetime  # with zone
    content_type: str = "application/json"

    @property
    def topic(self) -> str:
        return TOPIC_PREFIX + self.kind

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The five envelope headers, always in this order (the stream reads them by position first)."""
        return [
            ("event_id", self.event_id.encode()),
            ("kind", self.kind.encode()),
            ("source", self.source.encode()),
            ("received_at", rfc3339(self.received_at).encode()),
            ("content_type", self.content_type.encode()),
        ]


def rfc3339(time: datetime) -> str:
    """UTC with microseconds and Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def topics() -> list[str]:
    """Every topic that exists today: one per kind, and the dead letters."""
    return [*(TOPIC_PREFIX + kind for kind in kinds()), DEAD_LETTERS]


def parse_strict(body: bytes) -> Any:
    """JSON value of `body`. Raises Malformed for what is not UTF-8 JSON, NaN, Infinity, 1e400, doubled keys, lone surrogates."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("payload_utf8", "the body is not UTF-8") from None
    if re.search(BAD_ESCAPE.encode(), body):
        raise Malformed("text_whole", "text holds a NUL or half a surrogate pair")
    try:
        orjson.loads(body)  # the strict and fast verdict
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:  # 1e400 is JSON, but no number that we could keep
            raise Malformed("price_finite", f"the number at byte {error.pos} is too large") from None
        raise Malformed("payload_json", f"the body is not JSON: {error.msg} (byte {error.pos})") from None

    # orjson keeps the last of two equal keys silently; the slower parser sees both.
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise Malformed("field_twice", "a field is given twice")
        return found

    try:
        return json.loads(body, object_pairs_hook=pairs)
    except RecursionError:
        raise Malformed("payload_json", "the body is nested too deeply") from None


def kinds_of(payload: dict[str, Any]) -> list[str]:
    """Kinds that a payload carries when its door does not say: `kind`, else price and/or sensor by their fields."""
    named = payload.get("kind")
    if isinstance(named, str):
        return [named]
    found = ["price"] if "price" in payload else []
    metrics = {field.name for field in kinds()["sensor"].payload if field.one_of}
    return found + (["sensor"] if metrics & payload.keys() else [])


def faults(payload: Any, wanted: list[str]) -> list[Fault]:
    """What a strict door refuses, by the payload section of the contracts: types, presence, ranges, unknown fields."""
    if not isinstance(payload, dict):
        return [Fault("", "payload_json", "an event is one JSON object")]
    if not wanted:
        return [Fault("", "kind_required", "neither a price nor a metric is given")]
    known = {field.name for kind in wanted for field in kinds()[kind].payload}
    found = [Fault(f"/{name}", "field_unknown", f"unknown field '{name[:60]}'") for name in payload if name not in known]
    for kind in wanted:
        for fault in _kind_faults(payload, kinds()[kind]):
            if fault not in found:
                found.append(fault)
    return found


def _kind_faults(payload: dict[str, Any], contract: Contract) -> list[Fault]:
    found: list[Fault] = []
    groups: dict[str, bool] = {}
    for field in contract.payload:
        value = payload.get(field.name)
        if field.one_of:
            groups[field.one_of] = groups.get(field.one_of, False) or value is not None
        if value is None:
            if field.required:
                found.append(Fault(f"/{field.name}", f"{_stem(field.name)}_required", f"{field.name} is missing"))
            continue
        fault = _field_fault(field, value)
        if fault:
            found.append(fault)
    found += [Fault("", f"{group}_required", f"no {group} is given") for group, given in groups.items() if not given]
    return found


def _stem(name: str) -> str:
    return name.removesuffix("_id")


def _field_fault(field: Field, value: Any) -> Fault | None:
    where = f"/{field.name}"
    if field.type in ("string", "timestamp"):
        if not isinstance(value, str):
            return Fault(where, "field_type", f"{field.name} is not a string")
        if field.type == "timestamp" and parse_time(value) is None:
            return Fault(where, f"{field.name}_format", f"{field.name} is not an RFC 3339 time with its offset")
        if field.pattern and not re.fullmatch(field.pattern, value):
            return Fault(where, f"{field.name}_format", f"{field.name} does not match {field.pattern}")
        if field.enum and value not in field.enum:
            return Fault(where, f"{field.name}_known", f"{field.name} is not one of {', '.join(field.enum)}")
        if field.required and not value.strip():
            return Fault(where, f"{_stem(field.name)}_required", f"{field.name} is empty")
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Fault(where, "field_type", f"{field.name} is not a number")
    if field.type == "integer" and value != int(value):
        return Fault(where, f"{_measure(field)}_whole", f"{field.name} is not a whole number")
    if field.above is not None and value <= field.above:
        return Fault(where, f"{field.name}_positive", f"{field.name} is not above {field.above:g}")
    if (field.min is not None and value < field.min) or (field.max is not None and value > field.max):
        return Fault(where, f"{_measure(field)}_range", f"{field.name} lies outside {field.min:g} to {field.max:g}")
    return None


def _measure(field: Field) -> str:
    """temperature_c -> temperature: rule names leave the unit out."""
    return field.name.rsplit("_", 1)[0]


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time with its offset, or None."""
    if not re.fullmatch(RFC3339, text):
        return None
    try:
        return datetime.fromisoformat(text.upper().replace(" ", "T"))
    except ValueError:
        return None


def series_key(kind: str, payload: Any, fallback: str) -> str:
    """Kafka key: the series of the event, so that one series stays in order; `fallback` when it cannot be read."""
    contract = kinds().get(kind)
    if contract is None or not isinstance(payload, dict):
        return fallback
    parts = [payload.get(name) for name in contract.series_key]
    return "|".join(part if isinstance(part, str) else "" for part in parts) if isinstance(parts[0], str) else fallback


def event_id_of(payload: Any, body: bytes, source: str) -> str:
    """The payload's own id; else from source and bytes when it bears its own time (a redelivery is recognised); else random."""
    if isinstance(payload, dict):
        own = payload.get("event_id")
        if isinstance(own, str) and EVENT_ID.fullmatch(own):
            return own
        if isinstance(payload.get("event_time"), str):
            return "h-" + hashlib.sha256(source.encode() + b"\0" + body).hexdigest()[:32]
    return f"u-{uuid.uuid4().hex}"


def file_event_id(name: str, content_sha256: str, position: str) -> str:
    """Identity of a file's row (or cell): name, content and position, so a replay is recognised."""
    return "f-" + hashlib.sha256(f"{name}\0{content_sha256}\0{position}".encode()).hexdigest()[:32]


def lenient_payload(body: bytes) -> Any:
    """The JSON value if there is one, else None: for doors that must pass on what they cannot read."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
