"""The MQTT door: the gateway is the endpoint itself and acknowledges a device only when Kafka has acknowledged."""

import asyncio
import logging
import re
import signal
import ssl
import sys
from datetime import UTC, datetime

from conf.broker import AcknowledgedProducer
from conf.failpoints import failpoint
from conf.settings import refuse_remote, settings
from lakehouse.contract import kinds
from lakehouse.event import DEAD_LETTERS, TOPIC_PREFIX, Event, event_id_of, lenient_payload, series_key
from producers.mqtt_session import Leave, MqttSession, Published, Rate

log = logging.getLogger("lumbung.gateway")
NAME = r"[A-Za-z0-9._:-]{1,64}"
TOPIC = re.compile(rf"lumbung/v1/(?P<market>{NAME})/(?P<device>{NAME})/(?P<kind>[a-z]+)")
STOP_SECONDS = 4.0


def event_of(published: Published) -> tuple[Event, str | None]:
    """The event, and the reason why it goes to the dead letters instead of its topic (None: it does not).

    The topic says kind, market and device. The payload is passed on byte for byte, readable or not: the stream judges it.
    """
    found = TOPIC.fullmatch(published.topic)
    market, device, kind = found.group("market", "device", "kind") if found else ("", "", "unknown")
    source = f"mqtt:{device}"
    payload = lenient_payload(published.payload)
    event = Event(
        kind=kind,
        key=series_key(kind, payload, f"{market}|{device}"),
        value=published.payload,
        event_id=event_id_of(payload, published.payload, source),
        source=source,
        received_at=datetime.now(UTC),
    )
    if not found:
        return event, "topic_refused"
    if published.size > settings().api.event_max_bytes:
        return event, "payload_size"
    if kind not in kinds() or not kinds()[kind].over_mqtt:
        return event, "unknown_kind"
    claims = payload if isinstance(payload, dict) else {}
    foreign = any(isinstance(said := claims.get(name), str) and said != own for name, own in identity(market, device))
    return event, "foreign_device" if foreign else None


def identity(market: str, device: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Payload fields that must agree with the topic when they are given."""
    return ("market_id", market), ("device_id", device)


class Gateway:
    """Listener and sessions."""

    def __init__(self, producer: AcknowledgedProducer) -> None:
        self._producer = producer
        self._sessions: dict[str, MqttSession] = {}
        self._connections = 0

    async def accept(self, published: Published) -> None:
        """Returns when Kafka has acknowledged. Raises NotAcknowledged."""
        found = TOPIC.fullmatch(published.topic)
        if found and found["kind"] == "status":
            log.info("%s/%s: %s", found["market"], found["device"], published.payload[:20].decode("ascii", "replace"))
            return
        event, refused = event_of(published)
        failpoint("gateway.before_kafka")
        if refused is None:
            await self._producer.send(event.topic, event.key, event.value, event.headers, event.together)
        else:
            log.warning("dead letter (%s) from topic %s", refused, published.topic[:200].encode("ascii", "replace").decode())
            said = [("door", b"mqtt"), ("reason", refused.encode()), ("original_topic", (TOPIC_PREFIX + event.kind).encode())]
            body = event.value[: settings().api.event_max_bytes]
            await self._producer.send(DEAD_LETTERS, event.key, body, event.headers + said)
        failpoint("gateway.after_kafka")

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its connection to its end."""
        knobs = settings().mqtt
        if self._connections >= knobs.max_connections:
            log.warning("refused a connection: %d are open (mqtt.max_connections)", self._connections)
            writer.close()
            return
        rate = Rate(knobs.messages_per_second, knobs.burst)
        session = MqttSession(reader, writer, self.accept, rate, settings().api.event_max_bytes)
        self._connections += 1
        try:
            await session.connect()
            if session.client_id in self._sessions:  # MQTT-3.1.4-2: the older connection of a client ends
                self._sessions[session.client_id].abort()
            self._sessions[session.client_id] = session
            await session.serve()
        except Leave as reason:
            log.info("client %s left: %s", session.client_id or "?", reason)
        except asyncio.CancelledError:
            pass  # the gateway stops
        finally:
            self._connections -= 1
            if self._sessions.get(session.client_id) is session:
                del self._sessions[session.client_id]
            await session.close()


def tls() -> ssl.SSLContext | None:
    """The listener's TLS when a certificate is configured. Exits 2 when it cannot be used."""
    certificate, key = settings().mqtt_tls_cert, settings().mqtt_tls_key
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        print(f"MQTT_TLS_CERT and MQTT_TLS_KEY cannot be used: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return context


async def run() -> int:
    """Listen until SIGTERM or SIGINT; then finish what is under way. Returns the exit code."""
    knobs, loop, stopping = settings().mqtt, asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    context = tls()
    producer = AcknowledgedProducer()
    if not await loop.run_in_executor(None, producer.reachable, 5.0):
        log.warning("no broker at %s yet: devices get no acknowledgement until there is one", settings().kafka.bootstrap)
    gateway, clients = Gateway(producer), set[asyncio.Task[None]]()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = loop.create_task(gateway.connected(reader, writer))
        clients.add(task)
        task.add_done_callback(clients.discard)

    try:
        server = await asyncio.start_server(begin, knobs.host, knobs.port, ssl=context, backlog=512)
    except OSError as error:
        log.error(
            "cannot listen on %s:%d (%s): stop who holds it, or set LUMBUNG_MQTT__PORT", knobs.host, knobs.port, error.strerror
        )
        await producer.close()
        return 1
    log.info("MQTT 3.1.1 on %s:%d%s", knobs.host, knobs.port, " with TLS" if context else "")
    await stopping.wait()
    log.info("stopping")
    server.close()
    for task in clients:
        task.cancel()
    if clients:
        await asyncio.wait(clients, timeout=STOP_SECONDS)
    await producer.close()
    return 0


def main() -> int:
    """Exit code 0 after a clean stop, 1: the port is taken, 2: an unusable certificate, 5: an address that is not loopback."""
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    refuse_remote(settings().mqtt.host, "MQTT gateway")
    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
