"""One MQTT 3.1.1 connection, with amqtt's packets and a loop of our own.

An ordinary broker acknowledges before a message is durable; this loop acknowledges after Kafka has.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt import connack
from amqtt.mqtt import packet as packets
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.pingresp import PingRespPacket
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket

from lakehouse.io.kafka import NotAcknowledged
from producers.mqtt.events import Published
from producers.mqtt.limits import ByteBudget, TokenBucket
from producers.mqtt.rights import Client

log = logging.getLogger("lumbung.gateway")
T = TypeVar("T")
CONNECT_SECONDS = 10.0
PACKET_SECONDS = 30.0  # a packet must be complete this long after its first byte
SUBSCRIPTIONS = 100  # of one connection
IN_FLIGHT = 200  # publishes of one connection that wait for Kafka at once; then its socket is not read
OTHER_PACKET_MAX_BYTES = 65_536
UNCLAIMED_PACKET_MAX_BYTES = 1024  # of a client without a device: a claim has at most 300 bytes
PACKET_MAX_BYTES = 4 << 20  # a larger publish is not read to its end
OFFERED_BYTES = 65_536  # unsent; then messages with QoS 0 are dropped
REFUSED = 0x80
MQTT_3_1_1 = b"\x00\x04MQTT\x04"
MQTT_5 = b"\x00\x04MQTT\x05"
# CONNACK of MQTT 5: no session, reason 0x84 (unsupported protocol version), no properties.
CONNACK_5_UNSUPPORTED = b"\x20\x03\x00\x84\x00"
NOT_MQTT = (
    AMQTTError,
    MQTTError,
    CodecError,
    NoDataError,
    ValueError,
)


@dataclass(frozen=True)
class Credentials:
    """What a client connects with. `certificate_name`: common name of its verified TLS certificate."""

    client_id: str
    user_name: str | None
    password: str | None = field(repr=False)
    certificate_name: str | None = None


class NotAdmitted(Exception):
    """The client may not connect. `is_temporary`: only now, because identities cannot be read."""

    def __init__(self, reason: str, is_temporary: bool = False) -> None:
        super().__init__(reason)
        self.is_temporary = is_temporary


class ConnectionEnded(Exception):
    """The connection ends; the message is the reason."""


@dataclass(eq=False, repr=False)
class MqttSession:
    """A connection. `admit` returns the client, or raises NotAdmitted.

    `accept` returns when Kafka has acknowledged, or raises NotAcknowledged or ConnectionEnded. `rate_of`: the
    rate limit of a client. `memory`: shared by all connections; a publish that has arrived needs room in it,
    and until then the socket is not read. What a client only announces takes nothing from the others.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    admit: Callable[[Credentials], Awaitable[Client]]
    accept: Callable[["MqttSession", Published], Awaitable[None]]
    rate_of: Callable[[Client], TokenBucket]
    memory: ByteBudget
    payload_max_bytes: int
    idle_seconds: float

    def __post_init__(self) -> None:
        self._reader = StreamReaderAdapter(self.reader)
        self._writer = StreamWriterAdapter(self.writer)
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._packet_id = 0
        self._subscribed: set[str] = set()
        self.client: Client | None = None  # until it is admitted
        self.last_packet = time.monotonic()

    @property
    def name(self) -> str:
        """What logs call the client."""
        return self.client.name if self.client else "?"

    @property
    def has_device(self) -> bool:
        """Whether the client is a device, or may send for every one."""
        return self.client is not None and not self.client.is_unclaimed

    @property
    def is_waiting(self) -> bool:
        """Whether it has messages that Kafka has not acknowledged."""
        return bool(self._tasks)

    async def connect(self) -> Client:
        """Read CONNECT, answer it, and return the client. Raises ConnectionEnded when it is refused."""
        try:
            packet = await asyncio.wait_for(self._read_connect(), CONNECT_SECONDS)
        except (*NOT_MQTT, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ConnectionEnded(f"no CONNECT: {type(error).__name__}") from None
        given = packet.payload
        if not packet.clean_session_flag and given.client_id_is_random:
            await self._send(connack.ConnackPacket.build(0, connack.IDENTIFIER_REJECTED))
            raise ConnectionEnded("a persistent session needs a client id")
        certificate = common_name(self.writer.get_extra_info("ssl_object"))
        credentials = Credentials(packet.client_id, given.username, given.password, certificate)
        try:
            client = await self.admit(credentials)
        except NotAdmitted as refusal:
            code = connack.SERVER_UNAVAILABLE if refusal.is_temporary else connack.BAD_USERNAME_PASSWORD
            await self._send(connack.ConnackPacket.build(0, code))
            raise ConnectionEnded(f"not admitted: {refusal}") from None
        self.client = client
        self._rate = self.rate_of(client)
        if packet.keep_alive:
            self.idle_seconds = min(self.idle_seconds, packet.keep_alive * 1.5)
        await self._send(connack.ConnackPacket.build(0, connack.CONNECTION_ACCEPTED))
        return client

    async def _read_connect(self) -> ConnectPacket:
        """The CONNECT packet of MQTT 3.1.1. Raises ConnectionEnded for another version, which is answered."""
        header = await packets.MQTTFixedHeader.from_stream(self._reader)
        if header is None or header.packet_type != packets.CONNECT:
            raise ConnectionEnded("the first packet is no CONNECT")
        if header.remaining_length > OTHER_PACKET_MAX_BYTES:
            raise ConnectionEnded(f"a CONNECT of {header.remaining_length} bytes")
        content = await self.reader.readexactly(header.remaining_length)
        if content.startswith(MQTT_5):
            self.writer.write(CONNACK_5_UNSUPPORTED)
            raise ConnectionEnded("MQTT 5 is not supported: connect with MQTT 3.1.1")
        if not content.startswith(MQTT_3_1_1):
            await self._send(connack.ConnackPacket.build(0, connack.UNACCEPTABLE_PROTOCOL_VERSION))
            raise ConnectionEnded(f"protocol {content[2:7]!r} is not MQTT 3.1.1")
        return await ConnectPacket.from_stream(BufferReader(content), fixed_header=header)

    async def serve(self) -> None:
        """Handle packets until the client disconnects. Raises ConnectionEnded."""
        try:
            while True:
                try:
                    header = await asyncio.wait_for(
                        packets.MQTTFixedHeader.from_stream(self._reader), self.idle_seconds
                    )
                except TimeoutError:
                    raise ConnectionEnded("no packet within its keep-alive time") from None
                if header is None or header.packet_type == packets.DISCONNECT:
                    return
                self.last_packet = time.monotonic()
                await self._handle(header)
        except NOT_MQTT as error:
            raise ConnectionEnded(f"not MQTT: {type(error).__name__}") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def close(self) -> None:
        """Wait a second for Kafka, drop what it has not acknowledged, and end the connection."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            task.cancel()
        self.writer.close()

    def abort(self) -> None:
        """End the connection now: the device is revoked or connected again, or Kafka does not answer."""
        self.writer.transport.abort()

    def is_subscribed(self, topic: str) -> bool:
        """Whether the client was granted a subscription to the topic."""
        return topic in self._subscribed

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Send a message with QoS 1 to the client; it is not sent again when the connection ends."""
        self._packet_id = self._packet_id % 65_535 + 1
        await self._send(PublishPacket.build(topic, payload, self._packet_id, False, 1, False))

    def offer(self, topic: str, payload: bytes) -> None:
        """Send a message with QoS 0; it is dropped while the client takes no more."""
        transport = self.writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() < OFFERED_BYTES:
            transport.write(PublishPacket.build(topic, payload, None, False, 0, False).to_bytes())

    async def _handle(self, header: packets.MQTTFixedHeader) -> None:
        if not self.has_device and header.remaining_length > UNCLAIMED_PACKET_MAX_BYTES:
            raise ConnectionEnded(f"a packet of {header.remaining_length} bytes, without a device")
        if header.packet_type == packets.PUBLISH:
            await self._publish(header)
            return
        if header.remaining_length > OTHER_PACKET_MAX_BYTES:
            raise ConnectionEnded(f"a packet of {header.remaining_length} bytes")
        if header.packet_type == packets.PINGREQ:
            await self._send(PingRespPacket.build())
        elif header.packet_type == packets.PUBREL:
            released = await self._in_time(PubrelPacket.from_stream(self._reader, fixed_header=header))
            await self._send(PubcompPacket.build(released.packet_id))
        elif header.packet_type == packets.PUBACK:
            await self._in_time(PubackPacket.from_stream(self._reader, fixed_header=header))
        elif header.packet_type == packets.SUBSCRIBE:
            request = await self._in_time(SubscribePacket.from_stream(self._reader, fixed_header=header))
            codes = [self._grant(topic, qos) for topic, qos in request.payload.topics]
            await self._send(SubackPacket.build(request.variable_header.packet_id, codes))
        elif header.packet_type == packets.UNSUBSCRIBE:
            request = await self._in_time(UnsubscribePacket.from_stream(self._reader, fixed_header=header))
            self._subscribed.difference_update(request.payload.topics)
            await self._send(UnsubackPacket.build(request.variable_header.packet_id))
        else:
            raise ConnectionEnded(f"packet type {header.packet_type} is not for a client to send")

    def _grant(self, topic: str, qos: int) -> int:
        """The QoS that is granted, at most 1, or REFUSED."""
        if self.client is None or not self.client.may_subscribe(topic):
            return REFUSED
        if len(self._subscribed) >= SUBSCRIPTIONS and topic not in self._subscribed:
            return REFUSED
        self._subscribed.add(topic)
        return min(qos, 1)

    async def _publish(self, header: packets.MQTTFixedHeader) -> None:
        """Read a PUBLISH of bounded size and forward it. The order of a connection is the order in Kafka."""
        await self._rate.acquire()
        await self._in_flight.acquire()
        packet, size = await self._in_time(self._read_publish(header))
        reserved = await self.memory.acquire(self._kept_bytes(header))
        published = Published(packet.topic_name or "", bytes(packet.data or b""), size)
        task = asyncio.create_task(self._forward(published, packet.qos or 0, packet.packet_id))
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, reserved))

    def _kept_bytes(self, header: packets.MQTTFixedHeader) -> int:
        """How much of a publish is kept: topic and packet id come before the payload."""
        length: int = header.remaining_length
        return min(length, self.payload_max_bytes + 65_600)

    async def _in_time(self, reading: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(reading, PACKET_SECONDS)
        except TimeoutError:
            raise ConnectionEnded(f"a packet was not complete after {PACKET_SECONDS:.0f} s") from None

    async def _read_publish(self, header: packets.MQTTFixedHeader) -> tuple[PublishPacket, int]:
        """The packet, its payload cut if it is too long, and the payload's true length."""
        if header.remaining_length > PACKET_MAX_BYTES:
            raise ConnectionEnded(f"a publish of {header.remaining_length} bytes")
        head_length = self._kept_bytes(header)
        head = await self.reader.readexactly(head_length)
        unread = header.remaining_length - head_length
        while unread:
            unread -= len(await self.reader.readexactly(min(unread, 65_536)))
        cut = packets.MQTTFixedHeader(header.packet_type, header.flags, head_length)
        packet = await PublishPacket.from_stream(BufferReader(head), fixed_header=cut)
        return packet, len(packet.data or b"") + header.remaining_length - head_length

    def _done(self, reserved: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.memory.release(reserved)
        self._in_flight.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("client %s: %s: %s", self.name, type(error).__name__, error)
            self.abort()

    async def _forward(self, published: Published, qos: int, packet_id: int | None) -> None:
        """Acknowledge after Kafka has, else end the connection: clients resend only when they reconnect."""
        try:
            await self.accept(self, published)
        except NotAcknowledged as error:
            log.warning("client %s: not acknowledged, connection closed: %s", self.name, error)
            self.abort()
            return
        except ConnectionEnded as reason:
            log.info("client %s disconnected: %s", self.name, reason)
            self.abort()
            return
        if qos and packet_id is not None:
            await self._send(PubackPacket.build(packet_id) if qos == 1 else PubrecPacket.build(packet_id))

    async def _send(self, packet: packets.MQTTPacket[Any, Any, Any]) -> None:
        try:
            await packet.to_stream(self._writer)
        except ConnectionError:
            self.abort()


def common_name(connection: ssl.SSLObject | None) -> str | None:
    """Common name of the client certificate that TLS has verified; None without one."""
    certificate = connection.getpeercert() if connection else None
    groups: Any = (certificate or {}).get("subject", ())
    subject: dict[str, str] = dict(pair for group in groups for pair in group)
    return subject.get("commonName")
