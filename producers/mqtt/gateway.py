"""The MQTT gateway: devices connect to it directly and get a PUBACK only after Kafka has acknowledged."""

import asyncio
import logging
import re
import signal
import ssl
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from conf.runtime.exit_codes import ExitCode
from conf.runtime.failpoints import failpoint
from conf.runtime.logs import configure_logging
from conf.settings import refuse_remote, settings
from lakehouse.contracts.contract import kinds
from lakehouse.event import DEAD_LETTERS, Event, event_id_of, lenient_payload, series_key
from lakehouse.io.kafka import AcknowledgedProducer, dead_letter_headers
from producers.mqtt.limits import ByteBudget, ListedRefusals, TokenBucket
from producers.mqtt.session import ConnectionEnded, MqttSession, Published

log = logging.getLogger("lumbung.gateway")
NAME = r"[A-Za-z0-9._:-]{1,64}"
TOPIC = re.compile(rf"lumbung/v1/(?P<market>{NAME})/(?P<device>{NAME})/(?P<kind>[a-z]+)")
STOP_SECONDS = 4.0


def event_of(published: Published) -> tuple[Event, str | None]:
    """The event, and the reason why it goes to the dead letters instead of its topic (None: it does not).

    The MQTT topic names kind, market and device. The payload is passed on byte for byte; the market of the
    topic goes into a header where the payload has none.
    """
    match = TOPIC.fullmatch(published.topic)
    market, device, kind = match.group("market", "device", "kind") if match else ("", "", "unknown")
    source = f"mqtt:{device}"
    payload = lenient_payload(published.payload)
    given = payload if isinstance(payload, dict) else {}
    event_id = event_id_of(payload, published.payload, source)
    named = {"market_id": market, "device_id": device}
    fault = fault_of(published, kind, given, named)
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
    published: Published, kind: str, given: Mapping[str, object], named: Mapping[str, str]
) -> str | None:
    """Why a message is refused. `given`: fields of its payload; `named`: market and device of its topic."""
    if not named["market_id"]:
        return "topic_refused"
    if published.size > settings().api.event_max_bytes:
        return "payload_size"
    if kind not in kinds() or not kinds()[kind].over_mqtt:
        return "unknown_kind"
    for name, fault in (("market_id", "foreign_market"), ("device_id", "foreign_device")):
        if isinstance(given.get(name), str) and given[name] != named[name]:
            return fault
    return None


class Gateway:
    """Listener and sessions."""

    def __init__(self, producer: AcknowledgedProducer) -> None:
        self._producer = producer
        self._sessions: dict[str, MqttSession] = {}
        self._open: set[MqttSession] = set()
        self._memory = ByteBudget(settings().mqtt.unacknowledged_bytes)
        self._listed = ListedRefusals(settings().mqtt.listed_refusals_per_hour)

    async def accept(self, published: Published) -> None:
        """Returns when Kafka has acknowledged. Raises NotAcknowledged."""
        match = TOPIC.fullmatch(published.topic)
        if match and match["kind"] == "status":
            text = published.payload[:20].decode("ascii", "replace")
            log.info("%s/%s: %s", match["market"], match["device"], text)
            return
        event, fault = event_of(published)
        failpoint("gateway.before_kafka")
        if fault is None:
            await self._producer.send(event.topic, event.key, event.value, event.headers, event.together)
        else:
            topic = published.topic[:200].encode("utf-8", "replace").decode()
            log.warning("dead letter (%s) from topic %s", fault, topic)
            intended = event.topic if match else topic
            listed = self._listed.take(event.source, event.received_at.timestamp())
            headers = [*event.headers, *dead_letter_headers("mqtt", fault, intended, listed)]
            body = event.value[: settings().api.event_max_bytes]
            await self._producer.send(DEAD_LETTERS, event.key, body, headers)
        failpoint("gateway.after_kafka")

    def _end_longest_idle(self) -> bool:
        """End the connection that was idle for longest, without a CONNECT first; False when all are busy."""
        idle = [session for session in self._open if not session.is_waiting]
        if not idle:
            return False
        longest = min(idle, key=lambda session: (bool(session.client_id), session.last_packet))
        log.warning("client %s disconnected: too many connections", longest.client_id or "?")
        self._open.discard(longest)
        longest.abort()
        return True

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until its connection ends."""
        knobs = settings().mqtt
        if len(self._open) >= knobs.max_connections and not self._end_longest_idle():
            log.warning("refused a connection: %d are busy (mqtt.max_connections)", len(self._open))
            writer.close()
            return
        rate = TokenBucket(knobs.messages_per_second, knobs.burst)
        limit = settings().api.event_max_bytes
        session = MqttSession(reader, writer, self.accept, rate, self._memory, limit, knobs.idle_seconds)
        self._open.add(session)
        try:
            await session.connect()
            if session.client_id in self._sessions:  # MQTT-3.1.4-2: the older connection of a client ends
                self._sessions[session.client_id].abort()
            self._sessions[session.client_id] = session
            await session.serve()
        except ConnectionEnded as reason:
            log.info("client %s disconnected: %s", session.client_id or "?", reason)
        except asyncio.CancelledError:
            pass  # the gateway is stopping
        finally:
            self._open.discard(session)
            if self._sessions.get(session.client_id) is session:
                del self._sessions[session.client_id]
            await session.close()


def tls() -> ssl.SSLContext | None:
    """TLS settings of the listener, None without a certificate. Exits 2 when it cannot be used."""
    certificate, key = settings().mqtt_tls_cert, settings().mqtt_tls_key
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        print(f"MQTT_TLS_CERT and MQTT_TLS_KEY cannot be used: {error}", file=sys.stderr)
        raise SystemExit(ExitCode.USAGE) from None
    return context


async def run() -> ExitCode:
    """Listen until SIGTERM or SIGINT, then finish what is under way."""
    knobs = settings().mqtt
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    context = tls()
    producer = AcknowledgedProducer()
    if not await loop.run_in_executor(None, producer.reachable, 5.0):
        broker = settings().kafka.bootstrap
        log.warning("no broker at %s yet: devices get no acknowledgement until there is one", broker)
    gateway = Gateway(producer)
    clients: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = loop.create_task(gateway.connected(reader, writer))
        clients.add(task)
        task.add_done_callback(clients.discard)

    try:
        server = await asyncio.start_server(begin, knobs.host, knobs.port, ssl=context, backlog=512)
    except OSError as error:
        remedy = "stop the process that holds the port, or set LUMBUNG_MQTT__PORT"
        log.error("cannot listen on %s:%d (%s): %s", knobs.host, knobs.port, error.strerror, remedy)
        await producer.close()
        return ExitCode.FAILED
    log.info("MQTT 3.1.1 on %s:%d%s", knobs.host, knobs.port, " with TLS" if context else "")
    await stopping.wait()
    log.info("stopping")
    server.close()
    for task in clients:
        task.cancel()
    if clients:
        await asyncio.wait(clients, timeout=STOP_SECONDS)
    await producer.close()
    return ExitCode.DONE


def main() -> ExitCode:
    """DONE after a clean stop, FAILED when the port is in use.

    Exits 2 for an unusable certificate, 5 for an address that is not loopback.
    """
    configure_logging()
    refuse_remote(settings().mqtt.host, "MQTT gateway")
    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
