"""The event of every door: exact bytes and an envelope of headers. Pure functions; the door does the I/O."""

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from lakehouse.contracts.contract import kinds
from lakehouse.contracts.payload_check import Fault as Fault
from lakehouse.contracts.payload_check import faults as faults
from lakehouse.families import family_of
from lakehouse.reference import commodity_aliases, matching_key
from lakehouse.times import RFC3339 as RFC3339
from lakehouse.times import parse_time as parse_time
from lakehouse.times import rfc3339

TOPIC_PREFIX = "lumbung."
DEAD_LETTER = "dlq"  # kind of what an intake refused
DEAD_LETTERS = TOPIC_PREFIX + DEAD_LETTER
LEGACY_KIND = "listing"  # what the topics named in kafka.legacy_topics hold
EVENT_MAX_BYTES = 65536
EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# A lone surrogate or an escaped NUL: some parsers accept it. The pattern means the same in Python and Java.
BAD_ESCAPE = (
    r"(?<!\\)(?:\\\\)*(?:\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Malformed(ValueError):
    """Bytes that are not one JSON value; `code` is the name of the stream's rule for it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


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
    market_id: str | None = None  # of the MQTT topic or the device, where the payload has none
    signature: str | None = None  # of a signed kind, see lakehouse/signatures.py

    @property
    def topic(self) -> str:
        return TOPIC_PREFIX + self.kind

    @property
    def together(self) -> str | None:
        """See `together_of`."""
        return together_of(self.kind, self.key)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The five envelope headers, in the order in which the stream reads them, and the others if any."""
        envelope = [
            ("event_id", self.event_id.encode()),
            ("kind", self.kind.encode()),
            ("source", self.source.encode()),
            ("received_at", rfc3339(self.received_at).encode()),
            ("content_type", self.content_type.encode()),
        ]
        others = {"market_id": self.market_id, "signature": self.signature}
        return envelope + [(name, value.encode()) for name, value in others.items() if value]


def together_of(kind: str, key: str) -> str | None:
    """Events with this text share a Kafka partition; None: those with the same key.

    The family of a price's commodity and what a holder has of a commodity, in any spelling; the symbol of a
    bar, in upper case; the market of a sensor; all posts. Events that a validator compares are then in order,
    so verdicts are deterministic.
    """
    first, _, rest = key.partition("|")
    match kind:
        case "price":
            return (commodity := _commodity_of(key)) and family_of(commodity)
        case "stock":
            return f"{first}|{_commodity_of(key)}" if first else None
        case "bar":
            return f"{first.upper()}|{rest}" if first else None
        case "sensor":
            return first or None
        case "post":
            return kind
    return None


def sender_of(source: str) -> str:
    """Device or account of an event, through whichever door it came; "" for the home's own doors.

    Those are files, collectors, simulators, and topics that hold no headers: whoever fills them may write
    every event.
    """
    door, _, name = source.partition(":")
    return name if door in ("mqtt", "api") else ""


def id_of_sender(event_id: str, sender: str) -> str:
    """The id in silver, quarantine and gold of an event whose id another sender has used first.

    Unique, as no intake takes an id with @.
    """
    return f"{event_id}@{sender}"


def kind_of_topic(topic: str) -> str:
    """Kind of a topic's records: from the name of our own topics; foreign topics hold listings."""
    return topic.removeprefix(TOPIC_PREFIX) if topic.startswith(TOPIC_PREFIX) else LEGACY_KIND


def topics() -> list[str]:
    """Every topic: one per kind, that of the dead letters among them."""
    return [TOPIC_PREFIX + kind for kind in kinds()]


def parse_strict(body: bytes) -> Any:
    """JSON value of `body`. Raises Malformed unless it is UTF-8 JSON.

    NaN, Infinity, 1e400, repeated keys and lone surrogates are malformed too.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("payload_utf8", "the body is not UTF-8") from None
    if re.search(BAD_ESCAPE.encode(), body):
        raise Malformed("text_whole", "text holds a NUL or half a surrogate pair")
    try:
        orjson.loads(body)  # strict and fast
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:  # 1e400 is JSON, but no double
            raise Malformed("number_finite", f"the number at byte {error.pos} is too large") from None
        raise Malformed("payload_json", f"the body is not JSON: {error.msg} (byte {error.pos})") from None

    # orjson silently keeps the last of two equal keys; the slower parser reports both.
    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise Malformed("field_twice", "a field is given twice")
        return fields

    try:
        return json.loads(body, object_pairs_hook=as_object)
    except RecursionError:
        raise Malformed("payload_json", "the body is nested too deeply") from None


def kinds_of(payload: dict[str, Any]) -> list[str]:
    """Kinds of a payload whose door gives none: its `kind`, else price and/or sensor by its fields."""
    named = payload.get("kind")
    if isinstance(named, str):
        return [named]
    by_fields = ["price"] if "price" in payload else []
    metrics = {field.name for field in kinds()["sensor"].payload if field.one_of}
    return by_fields + (["sensor"] if metrics & payload.keys() else [])


def series_key(kind: str, payload: Any, fallback: str) -> str:
    """Kafka key: the series of the event, which keeps it in order; `fallback` when it cannot be read."""
    contract = kinds().get(kind)
    if contract is None or not isinstance(payload, dict):
        return fallback
    absent = {field.name: field.default for field in contract.payload}
    parts = [_key_part(payload.get(name, absent.get(name))) for name in contract.series_key]
    return "|".join(part or "" for part in parts) if parts[0] is not None else fallback


def _key_part(value: Any) -> str | None:
    """Text as given, a whole number as digits (12.0 is the product 12); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return str(value)


@lru_cache(maxsize=65536)
def _commodity_of(key: str) -> str | None:
    """Commodity id of a price's key (market_id|commodity as given), None without one."""
    given = key.rpartition("|")[2]
    return commodity_aliases().get(matching_key(given), given) or None


def event_id_of(payload: Any, body: bytes, source: str, request: str | None = None) -> str:
    """The payload's own id; else a hash of source and bytes if it has its own time; else random.

    The hash makes a redelivery recognisable. `request`: what a repeated request and the event's place in it
    are recognised by; with it, the id follows from it and the bytes instead of being random.
    """
    if isinstance(payload, dict):
        own = payload.get("event_id")
        if isinstance(own, str) and EVENT_ID.fullmatch(own):
            return own
        if isinstance(payload.get("event_time"), str):
            return "h-" + hashlib.sha256(source.encode() + b"\0" + body).hexdigest()[:32]
    if request is not None:
        return "k-" + hashlib.sha256(request.encode() + b"\0" + body).hexdigest()[:32]
    return f"u-{uuid.uuid4().hex}"


def file_event_id(name: str, position: str, row: bytes, above: bytes = b"") -> str:
    """Id of a file's row or cell: the same when the file is sent again or has grown.

    `above`: digest of the rows up to this one, for a row without a time of its own. Without it, the same
    price in tomorrow's file of the same name would be taken for today's.
    """
    digest = hashlib.sha256(f"{name}\0{position}\0".encode() + above + row)
    return "f-" + digest.hexdigest()[:32]


def lenient_payload(body: bytes) -> Any:
    """The JSON value, else None: for doors that must pass on what they cannot read."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


@dataclass(frozen=True)
class StoredRecord:
    """A record that Kafka has acknowledged."""

    event_id: str
    kind: str
    topic: str
    partition: int
    offset: int
    received_at: datetime

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it is in Kafka."""
        return self.topic, self.partition, self.offset
