"""The MQTT gateway: devices connect to it directly and get a PUBACK only after Kafka has acknowledged."""

import asyncio
import logging
import os
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from weakref import WeakValueDictionary

from conf.runtime.endless import keep_running, restarts
from conf.runtime.exit_codes import ExitCode
from conf.runtime.failpoints import failpoint
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.runtime.status_files import write_status
from conf.settings import refuse_remote, settings
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.tokens import TokenSigner
from lakehouse.io.kafka import AcknowledgedProducer
from lakehouse.io.process_status import GATEWAY, status_file
from producers.mqtt.admission import Admission
from producers.mqtt.events import Published, event_of, record_of
from producers.mqtt.limits import ByteBudget, ListedRefusals, TokenBucket
from producers.mqtt.receipts import Receipts
from producers.mqtt.rights import TOPIC, Client
from producers.mqtt.session import ConnectionEnded, Credentials, MqttSession, NotAdmitted

log = logging.getLogger("lumbung.gateway")
STOP_SECONDS = 4.0
WATCH_SECONDS = 1.0  # between two looks at the identity store: a revoked device is off within two of them
REPORT_SECONDS = 5.0  # between two status files
CONNECTIONS_OF_A_DEVICE = 10
UNCLAIMED_SECONDS = 60.0  # a client without a device is disconnected after this time


class Gateway:
    """Listener and sessions."""

    def __init__(self, producer: AcknowledgedProducer, admission: Admission) -> None:
        self._producer = producer
        self._admission = admission
        self._sessions: dict[tuple[str | None, str], MqttSession] = {}  # by device and client id
        self._open: set[MqttSession] = set()
        self._rates: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()  # by device
        self._claim_rate = new_bucket()  # each claim, right or wrong, is a write to the identity store
        self._memory = ByteBudget(settings().mqtt.unacknowledged_bytes)
        self._listed = ListedRefusals(settings().mqtt.listed_refusals_per_hour)
        self._logged = ListedRefusals(settings().mqtt.listed_refusals_per_hour)
        self.receipts = Receipts(self._open)
        self.outcomes: Counter[str] = Counter()  # of messages: accepted, dead_letter, refused, …
        self.connects: Counter[str] = Counter()  # of connections: admitted, unclaimed, refused

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._open)

    async def accept(self, session: MqttSession, published: Published) -> None:
        """Returns when Kafka has acknowledged, or when the message is refused. Raises NotAcknowledged."""
        client = session.client
        if client is None or client.is_unclaimed:
            await self._claim(session, published)
            return
        match = TOPIC.fullmatch(published.topic)
        if match and match["kind"] == "status" and client.may_publish(published.topic):
            text = published.payload[:20].decode("ascii", "replace")
            log.info("%s/%s: %s", match["market"], match["device"], text)
            return
        event, fault = event_of(published, client)
        listed = fault is None or self._listed.take(event.source, event.received_at.timestamp())
        record = record_of(event, fault, published.topic, listed)
        if fault and self._logged.take(session.name, time.time()):
            topic = printable(published.topic)
            log.warning("client %s: dead letter (%s) from topic %s", session.name, fault, topic)
        failpoint("gateway.before_kafka")
        place = await self._producer.send(
            record.topic, record.key, record.value, record.headers, record.together
        )
        failpoint("gateway.after_kafka")
        self.receipts.expect(session, published.topic, event, record, place)
        self.outcomes["dead_letter" if fault else "accepted"] += 1

    async def _claim(self, session: MqttSession, published: Published) -> None:
        """Answer the claim of a client without a device. Raises ConnectionEnded for any other message.

        MQTT 3.1.1 has no refusal, and a PUBACK would tell the sender that its message is kept.
        """
        if session.client is None or not session.client.may_publish(published.topic):
            self.outcomes["refused"] += 1
            raise ConnectionEnded(f"a message to {printable(published.topic)}, without a device")
        claimed = await self._admission.answer(session, published)
        self.outcomes["claimed" if claimed else "claim_refused"] += 1

    def _end_longest_idle(self) -> bool:
        """End the connection that was idle for longest, without a device first; False when all are busy."""
        idle = [session for session in self._open if not session.is_waiting]
        if not idle:
            return False
        longest = min(idle, key=lambda session: (session.has_device, session.last_packet))
        log.warning("client %s disconnected: too many connections", longest.name)
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
        limit = settings().api.event_max_bytes
        session = MqttSession(
            reader,
            writer,
            self._admit,
            self.accept,
            self._rate_of,
            self._memory,
            limit,
            knobs.idle_seconds,
        )
        self._open.add(session)
        try:
            async with asyncio.timeout(None) as life:
                await self._serve(session, life)
        except ConnectionEnded as reason:
            log.info("client %s disconnected: %s", session.name, reason)
        except TimeoutError:
            log.info("client %s disconnected: no device claimed in time", session.name)
        except asyncio.CancelledError:
            pass  # the gateway is stopping
        finally:
            self._open.discard(session)
            if session.client and self._sessions.get(key_of(session.client)) is session:
                del self._sessions[key_of(session.client)]
            await session.close()

    async def _admit(self, given: Credentials) -> Client:
        """The client with these credentials. Raises NotAdmitted."""
        try:
            client = await self._admission.admit(given)
        except NotAdmitted:
            self.connects["refused"] += 1
            raise
        self.connects["unclaimed" if client.is_unclaimed else "admitted"] += 1
        return client

    async def _serve(self, session: MqttSession, life: asyncio.Timeout) -> None:
        """Admit the client and handle its packets. Raises ConnectionEnded."""
        client = await session.connect()
        if client.is_unclaimed:
            life.reschedule(asyncio.get_running_loop().time() + UNCLAIMED_SECONDS)
        if older := self._sessions.get(key_of(client)):  # MQTT-3.1.4-2: the older connection of a client ends
            older.abort()
        self._sessions[key_of(client)] = session
        self._end_surplus(client)
        await session.serve()

    def _end_surplus(self, client: Client) -> None:
        """A device has a bounded number of connections, so that none takes the places of others."""
        own = [session for (device, _), session in self._sessions.items() if device == client.device_id]
        if client.device_id and len(own) > CONNECTIONS_OF_A_DEVICE:
            min(own, key=lambda session: session.last_packet).abort()

    def _rate_of(self, client: Client) -> TokenBucket:
        """The rate limit of a device, shared by its connections; all clients without a device share one."""
        if client.device_id is None:
            return self._claim_rate if client.is_unclaimed else new_bucket()
        bucket = self._rates.get(client.device_id)
        if bucket is None:
            bucket = self._rates[client.device_id] = new_bucket()
        return bucket

    async def watch(self) -> None:
        """End the connections of devices that were revoked or have another secret, for ever."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                ended = await self._admission.ended({s.client for s in self._open if s.client})
            except StoreUnavailable as error:
                log.error("identities cannot be read: %s", error)
                continue
            for session in [session for session in self._open if session.client in ended]:
                log.warning("client %s disconnected: revoked or claimed again", session.name)
                session.abort()


def new_bucket() -> TokenBucket:
    """A rate limit as configured."""
    return TokenBucket(settings().mqtt.messages_per_second, settings().mqtt.burst)


def key_of(client: Client) -> tuple[str | None, str]:
    """What a connection replaces an earlier one by; clients of different devices never share it."""
    return client.device_id, client.client_id


def printable(topic: str) -> str:
    """The beginning of a topic for the log."""
    return topic[:200].encode("utf-8", "replace").decode()


def tls() -> ssl.SSLContext | None:
    """TLS settings of the listener, None without a certificate. Exits 2 when it cannot be used."""
    certificate, key = settings().mqtt_tls_cert, settings().mqtt_tls_key
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
        if authority := settings().mqtt_tls_ca:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        print(f"MQTT_TLS_CERT, MQTT_TLS_KEY and MQTT_TLS_CA cannot be used: {error}", file=sys.stderr)
        raise SystemExit(ExitCode.USAGE) from None
    return context


def report(gateway: Gateway) -> None:
    """Write the status file."""
    status = {
        "pid": os.getpid(),
        "connections": gateway.connections,
        "messages": dict(gateway.outcomes),
        "connects": dict(gateway.connects),
        "task_restarts": dict(restarts),
    }
    write_status(status_file(GATEWAY), status)


async def report_always(gateway: Gateway) -> None:
    """Write the status file again and again, for ever."""
    while True:
        report(gateway)
        await asyncio.sleep(REPORT_SECONDS)


async def listen(gateway: Gateway, context: ssl.SSLContext | None, stopping: asyncio.Event) -> ExitCode:
    """Serve clients until `stopping` is set, then finish what is under way."""
    knobs = settings().mqtt
    clients: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(gateway.connected(reader, writer))
        clients.add(task)
        task.add_done_callback(clients.discard)

    try:
        server = await asyncio.start_server(begin, knobs.host, knobs.port, ssl=context, backlog=512)
    except OSError as error:
        remedy = "stop the process that holds the port, or set LUMBUNG_MQTT__PORT"
        log.error("cannot listen on %s:%d (%s): %s", knobs.host, knobs.port, error.strerror, remedy)
        return ExitCode.FAILED
    log.info("MQTT 3.1.1 on %s:%d%s", knobs.host, knobs.port, " with TLS" if context else "")
    await stopping.wait()
    log.info("stopping")
    server.close()
    for task in clients:
        task.cancel()
    if clients:
        await asyncio.wait(clients, timeout=STOP_SECONDS)
    return ExitCode.DONE


async def run(context: ssl.SSLContext | None, signer: TokenSigner) -> ExitCode:
    """Listen until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    database = Database()
    await database.migrate()
    producer = AcknowledgedProducer()
    if not await loop.run_in_executor(None, producer.reachable, 5.0):
        broker = settings().kafka.bootstrap
        log.warning("no broker at %s yet: devices get no acknowledgement until there is one", broker)
    gateway = Gateway(producer, Admission(database, signer))
    endless: dict[str, Callable[[], Awaitable[None]]] = {
        "device_watch": gateway.watch,
        "receipts": gateway.receipts.send_always,
        "status": partial(report_always, gateway),
    }
    background = [loop.create_task(keep_running(name, work)) for name, work in endless.items()]
    try:
        return await listen(gateway, context, stopping)
    finally:
        for task in background:
            task.cancel()
        report(gateway)
        await producer.close()
        await database.close()


def refuse_unprotected() -> None:
    """Exit 5 for an address that others reach, when they could read secrets or send without one."""
    knobs = settings().mqtt
    if knobs.anonymous or not settings().mqtt_tls_cert:
        refuse_remote(knobs.host, "MQTT gateway")


def main() -> ExitCode:
    """DONE after a clean stop, FAILED when the port is in use.

    Exits 2 for an unusable certificate, 5 for an address that is not loopback without TLS and identities, and
    without a secret that signs tokens.
    """
    configure_logging()
    refuse_unprotected()
    try:
        signer = TokenSigner()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return ExitCode.REFUSED
    return asyncio.run(run(tls(), signer))


if __name__ == "__main__":
    sys.exit(main())
