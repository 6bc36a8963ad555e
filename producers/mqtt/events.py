"""An MQTT message as an event: the topic names kind, market and device; the payload stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.event import DEAD_LETTERS, Event, event_id_of, lenient_payload, series_key
from lakehouse.io.kafka import Header, dead_letter_headers
from producers.mqtt.rights import TOPIC, Client


@dataclass(frozen=True)
class Published:
    """A message of a client. `size`: bytes of the whole payload; `payload` is cut when it is too long."""

    topic: str
    payload: bytes
    size: int


@dataclass(frozen=True)
class Record:
    """What goes to Kafka for a message. `fault`: why it goes to the dead letters, None for an event."""

    topic: str
    key: str
    value: bytes
    headers: list[Header]
    together: str | None
    fault: str | None


def event_of(published: Published, client: Client | None = None) -> tuple[Event, str | None]:
    """The event, and the reason why it goes to the dead letters instead of its topic (None: it does not).

    The payload is passed on byte for byte; the market of the topic goes into a header where the payload has
    none. `client`: who has sent it; None where a broker outside has decided who may.
    """
    match = TOPIC.fullmatch(published.topic)
    market, device, kind = match.group("market", "device", "kind") if match else ("", "", "unknown")
    own = {
        "market_id": (client and client.market_id) or market,
        "device_id": (client and client.device_id) or device,
    }
    source = f"mqtt:{own['device_id']}"
    payload = lenient_payload(published.payload)
    given = payload if isinstance(payload, dict) else {}
    event_id = event_id_of(payload, published.payload, source)
    named = {"market_id": market, "device_id": device}
    fault = fault_of(published, kind, (named, given), own)
    has_no_market = isinstance(payload, dict) and payload.get("market_id") is None
    if fault is None and isinstance(payload, dict):
        payload = {**named, **{name: value for name, value in payload.items() if value is not None}}
    event = Event(
        kind=kind,
        key=series_key(kind, payload, f"{market}|{device}"),
        value=published.payload,
        event_id=event_id,
        source=source,
        received_at=datetime.now(UTC),
        market_id=market if has_no_market and fault is None else None,
    )
    return event, fault


def fault_of(
    published: Published, kind: str, places: Sequence[Mapping[str, object]], own: Mapping[str, str]
) -> str | None:
    """Why a message is refused.

    `places`: what topic and payload name; `own`: market and device of the sender.
    """
    if not TOPIC.fullmatch(published.topic):
        return "topic_refused"
    if published.size > settings().api.event_max_bytes:
        return "payload_size"
    if kind not in kinds() or not kinds()[kind].over_mqtt:
        return "unknown_kind"
    for name, fault in (("market_id", "foreign_market"), ("device_id", "foreign_device")):
        if any(isinstance(place.get(name), str) and place[name] != own[name] for place in places):
            return fault
    return None


def record_of(event: Event, fault: str | None, topic: str, listed: bool) -> Record:
    """The record of an event. `topic`: of MQTT; `listed`: whether a refused one waits for a decision."""
    if fault is None:
        return Record(event.topic, event.key, event.value, event.headers, event.together, None)
    text = topic[:200].encode("utf-8", "replace").decode()
    intended = event.topic if TOPIC.fullmatch(topic) else text
    headers = [*event.headers, *dead_letter_headers("mqtt", fault, intended, listed)]
    body = event.value[: settings().api.event_max_bytes]
    return Record(DEAD_LETTERS, event.key, body, headers, None, fault)
