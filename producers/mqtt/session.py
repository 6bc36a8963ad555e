"""One MQTT 3.1.1 connection, with amqtt's packets and a loop of our own.

An ordinary broker acknowledges before a message is durable; this loop acknowledges after Kafka has.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt.connack import (
    CONNECTION_ACCEPTED,
    IDENTIFIER_REJECTED,
    UNACCEPTABLE_PROTOCOL_VERSION,
    ConnackPacket,
)
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.packet import (
    DISCONNECT,
    PINGREQ,
    PUBLISH,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    MQTTFixedHeader,
    MQTTPacket,
)
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
from producers.mqtt.limits import ByteBudget, TokenBucket

log = logging.getLogger("lumbung.gateway")
T = TypeVar("T")
CONNECT_SECONDS = 10.0
PACKET_SECONDS = 30.0  # a packet must be complete this long after its first byte
IN_FLIGHT = 200  # publishes of one connection that wait for Kafka at once; then its socket is not read
OTHER_PACKET_MAX_BYTES = 65_536
PACKET_MAX_BYTES = 4 << 20  # a larger publish is not read to its end
REFUSED = 0x80
RECEIPT = re.compile(r"lumbung/v1/[A-Za-z0-9._:-]{1,64}/[A-Za-z0-9._:-]{1,64}/receipt")
MQTT_3_1_1 = 4


@dataclass(frozen=True)
class Published:
    """A message of a client. `size`: bytes of the whole payload; `payload` is cut when it is too long."""

    topic: str
    payload: bytes
    size: int


class ConnectionEnded(Exception):
    """The connection ends; the message is the reason."""


class MqttSession:
    """A connection. `accept` returns when Kafka has acknowledged, or raises NotAcknowledged.

    `memory`: shared by all connections; without room in it for the next publish, the socket is not read.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        accept: Callable[[Published], Awaitable[None]],
        rate: TokenBucket,
        memory: ByteBudget,
        payload_max_bytes: int,
        idle_seconds: float,
    ) -> None:
        self._raw_reader = reader
        self._raw_writer = writer
        self._reader = StreamReaderAdapter(reader)
        self._writer = StreamWriterAdapter(writer)
        self._accept = accept
        self._rate = rate
        self._memory = memory
        self._payload_max_bytes = payload_max_bytes
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle_seconds = idle_seconds
        self.client_id = ""
        self.last_packet = time.monotonic()

    @property
    def is_waiting(self) -> bool:
        """Whether it has messages that Kafka has not acknowledged."""
        return bool(self._tasks)

    async def connect(self) -> None:
        """Read CONNECT and answer it. Raises ConnectionEnded when it is refused."""
        try:
            packet = await asyncio.wait_for(ConnectPacket.from_stream(self._reader), CONNECT_SECONDS)
        except (
            AMQTTError,
            MQTTError,
            CodecError,
            NoDataError,
            TimeoutError,
            ValueError,
            asyncio.IncompleteReadError,
        ) as error:
            raise ConnectionEnded(f"no CONNECT: {type(error).__name__}") from None
        if packet.proto_name != "MQTT" or packet.proto_level != MQTT_3_1_1:
            await self._send(ConnackPacket.build(0, UNACCEPTABLE_PROTOCOL_VERSION))
            raise ConnectionEnded(f"protocol {packet.proto_name} {packet.proto_level} is not MQTT 3.1.1")
        if not packet.clean_session_flag and packet.payload and packet.payload.client_id_is_random:
            await self._send(ConnackPacket.build(0, IDENTIFIER_REJECTED))
            raise ConnectionEnded("a persistent session needs a client id")
        self.client_id = packet.client_id
        if packet.keep_alive:
            self._idle_seconds = min(self._idle_seconds, packet.keep_alive * 1.5)
        await self._send(ConnackPacket.build(0, CONNECTION_ACCEPTED))

    async def serve(self) -> None:
        """Handle packets until the client disconnects. Raises ConnectionEnded."""
        try:
            while True:
                try:
                    header = await asyncio.wait_for(
                        MQTTFixedHeader.from_stream(self._reader), self._idle_seconds
                    )
                except TimeoutError:
                    raise ConnectionEnded("no packet within its keep-alive time") from None
                if header is None or header.packet_type == DISCONNECT:
                    return
                self.last_packet = time.monotonic()
                await self._handle(header)
        except (AMQTTError, MQTTError, CodecError, NoDataError, ValueError) as error:
            raise ConnectionEnded(f"not MQTT: {type(error).__name__}") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def close(self) -> None:
        """Wait a second for Kafka, drop what it has not acknowledged, and end the connection."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)
        for task in self._tasks:
            task.cancel()
        self._raw_writer.close()

    def abort(self) -> None:
        """End the connection now: the same client has connected again, or Kafka does not answer."""
        self._raw_writer.transport.abort()

    async def _handle(self, header: MQTTFixedHeader) -> None:
        if header.packet_type == PUBLISH:
            await self._publish(header)
            return
        if header.remaining_length > OTHER_PACKET_MAX_BYTES:
            raise ConnectionEnded(f"a packet of {header.remaining_length} bytes")
        if header.packet_type == PINGREQ:
            await self._send(PingRespPacket.build())
        elif header.packet_type == PUBREL:
            released = await self._in_time(PubrelPacket.from_stream(self._reader, fixed_header=header))
            await self._send(PubcompPacket.build(released.packet_id))
        elif header.packet_type == SUBSCRIBE:
            request = await self._in_time(SubscribePacket.from_stream(self._reader, fixed_header=header))
            codes = [0 if RECEIPT.fullmatch(topic) else REFUSED for topic, _ in request.payload.topics]
            await self._send(SubackPacket.build(request.variable_header.packet_id, codes))
        elif header.packet_type == UNSUBSCRIBE:
            request = await self._in_time(UnsubscribePacket.from_stream(self._reader, fixed_header=header))
            await self._send(UnsubackPacket.build(request.variable_header.packet_id))
        else:
            raise ConnectionEnded(f"packet type {header.packet_type} is not for a client to send")

    async def _publish(self, header: MQTTFixedHeader) -> None:
        """Read a PUBLISH of bounded size and forward it. The order of a connection is the order in Kafka."""
        await self._rate.acquire()
        await self._in_flight.acquire()
        reserved = await self._memory.acquire(self._kept_bytes(header))
        try:
            packet, size = await self._in_time(self._read_publish(header))
        except BaseException:
            self._memory.release(reserved)
            raise
        published = Published(packet.topic_name or "", bytes(packet.data or b""), size)
        task = asyncio.create_task(self._forward(published, packet.qos or 0, packet.packet_id))
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, reserved))

    def _kept_bytes(self, header: MQTTFixedHeader) -> int:
        """How much of a publish is kept: topic and packet id come before the payload."""
        length: int = header.remaining_length
        return min(length, self._payload_max_bytes + 65_600)

    async def _in_time(self, reading: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(reading, PACKET_SECONDS)
        except TimeoutError:
            raise ConnectionEnded(f"a packet was not complete after {PACKET_SECONDS:.0f} s") from None

    async def _read_publish(self, header: MQTTFixedHeader) -> tuple[PublishPacket, int]:
        """The packet, its payload cut if it is too long, and the payload's true length."""
        if header.remaining_length > PACKET_MAX_BYTES:
            raise ConnectionEnded(f"a publish of {header.remaining_length} bytes")
        head_length = self._kept_bytes(header)
        head = await self._raw_reader.readexactly(head_length)
        unread = header.remaining_length - head_length
        while unread:
            unread -= len(await self._raw_reader.readexactly(min(unread, 65_536)))
        cut = MQTTFixedHeader(header.packet_type, header.flags, head_length)
        packet = await PublishPacket.from_stream(BufferReader(head), fixed_header=cut)
        return packet, len(packet.data or b"") + header.remaining_length - head_length

    def _done(self, reserved: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._memory.release(reserved)
        self._in_flight.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("client %s: %s: %s", self.client_id, type(error).__name__, error)
            self.abort()

    async def _forward(self, published: Published, qos: int, packet_id: int | None) -> None:
        """Acknowledge after Kafka has, else end the connection: clients resend only when they reconnect."""
        try:
            await self._accept(published)
        except NotAcknowledged as error:
            log.warning("client %s: not acknowledged, connection closed: %s", self.client_id, error)
            self.abort()
            return
        if qos and packet_id is not None:
            await self._send(PubackPacket.build(packet_id) if qos == 1 else PubrecPacket.build(packet_id))

    async def _send(self, packet: MQTTPacket[Any, Any, Any]) -> None:
        try:
            await packet.to_stream(self._writer)
        except ConnectionError:
            self.abort()
