"""The gateway's listener: TLS, a port in use, a client that stops in the middle of a packet."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from sqlalchemy.exc import SQLAlchemyError

from conf.runtime import endless
from conf.settings import REPO, settings
from lakehouse.io.identity.database import StoreUnavailable
from producers.mqtt import gateway as mqtt_gateway
from producers.mqtt import session as mqtt_session
from producers.mqtt.events import Published
from producers.mqtt.gateway import Gateway
from producers.mqtt.limits import ByteBudget, TokenBucket
from producers.mqtt.rights import Client
from producers.mqtt.session import ConnectionEnded, Credentials, MqttSession
from tests.conftest import Broker, headers_of
from tests.producers.mqtt.test_session import TOPIC, gateway, price
from tests.support.identity.devices import Device
from tests.support.waiting import eventually_async

CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x02\x00\x01a"
HALF_A_PUBLISH = b"\x30\x50\x00"


async def admit(given: Credentials) -> Client:
    """Everybody, for what does not depend on who connects."""
    return Client(given.client_id, unrestricted=True)


def rate_of(client: Client) -> TokenBucket:
    return TokenBucket(20, 100)


class Everybody:
    """Admission without an identity store."""

    admit = staticmethod(admit)


def start(**knobs: str) -> subprocess.CompletedProcess[str]:
    """A gateway that is expected to end by itself."""
    command = [sys.executable, "-m", "producers.mqtt.gateway"]
    return subprocess.run(
        command, cwd=REPO, env={**os.environ, **knobs}, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-out",
        str(files[0]),
        "-keyout",
        str(files[1]),
    ]
    try:
        subprocess.run([*command, *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl on the PATH (Debian: apt install openssl): no certificate to test TLS with")
    return files


def test_listener_with_a_certificate_accepts_only_tls(
    broker: Broker, home: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    since = broker.ends()
    with gateway(MQTT_TLS_CERT=str(certificate[0]), MQTT_TLS_KEY=str(certificate[1])) as (_, port):
        context = ssl.create_default_context(cafile=str(certificate[0]))
        with (
            socket.create_connection(("127.0.0.1", port), 60) as wire,
            context.wrap_socket(wire, server_hostname="127.0.0.1") as sure,
        ):
            sure.sendall(CONNECT)
            assert sure.recv(4) == b"\x20\x02\x00\x00"
        with socket.create_connection(("127.0.0.1", port), 60) as plain:
            plain.sendall(CONNECT)
            assert b"\x20\x02\x00\x00" not in plain.recv(100)
        secured = mqtt.Client.connect
        monkeypatch.setattr(
            mqtt.Client,
            "connect",
            lambda self, *a, **k: (self.tls_set_context(context), secured(self, *a, **k))[1],
        )
        device = Device(port)
        assert device.publish(TOPIC, price("over-tls"))
        device.close()
    (record,) = broker.records(since, "lumbung.price", 1)
    assert headers_of(record)["event_id"] == "over-tls"


def test_unusable_certificate_is_wrong_usage(home: Path, tmp_path: Path):
    (tmp_path / "not.pem").write_text("no certificate")
    done = start(MQTT_TLS_CERT=str(tmp_path / "not.pem"), MQTT_TLS_KEY=str(tmp_path / "not.pem"))
    assert done.returncode == 2 and "MQTT_TLS_CERT" in done.stderr and "Traceback" not in done.stderr


def test_anonymous_clients_are_for_loopback_only(home: Path, certificate: tuple[Path, Path]):
    done = start(
        MQTT_TLS_CERT=str(certificate[0]),
        MQTT_TLS_KEY=str(certificate[1]),
        LUMBUNG_MQTT__HOST="0.0.0.0",
        LUMBUNG_MQTT__ANONYMOUS="true",
    )
    assert done.returncode == 5


def test_port_in_use_is_named_with_its_remedy(home: Path):
    with gateway() as (_, port):
        done = start(LUMBUNG_MQTT__PORT=str(port))
    assert done.returncode == 1
    assert str(port) in done.stderr and "LUMBUNG_MQTT__PORT" in done.stderr and "Traceback" not in done.stderr


def test_client_that_stops_within_a_packet_is_disconnected(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mqtt_session, "PACKET_SECONDS", 0.3)
    ended: list[str] = []

    async def accept(session: MqttSession, published: Published) -> None:
        ended.append(f"accepted {published.topic}")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = MqttSession(reader, writer, admit, accept, rate_of, ByteBudget(1 << 20), 65536, 60)
        try:
            await session.connect()
            await session.serve()
        except ConnectionEnded as reason:
            ended.append(str(reason))
        await session.close()

    async def stall() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(CONNECT + HALF_A_PUBLISH)
        answer = await asyncio.wait_for(reader.read(), 60)  # until the gateway ends the connection
        writer.close()
        server.close()
        return answer

    assert asyncio.run(stall()) == b"\x20\x02\x00\x00"
    assert len(ended) == 1 and "not complete" in ended[0]


async def answered(reader: asyncio.StreamReader, count: int) -> bytes:
    return await asyncio.wait_for(reader.readexactly(count), 60)


def publish_packet(size: int) -> bytes:
    """QoS 1 to `elsewhere`; `size` payload bytes, below 16 KiB."""
    body = b"\x00\x09elsewhere" + b"\x00\x01" + b"x" * size
    return bytes([0x32, len(body) % 128 | 0x80, len(body) // 128]) + body


@contextmanager
def half_messages(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Clients without a device, each with the beginning of a message of 130 KiB."""
    with ExitStack() as kept:
        wires = []
        for number in range(count):
            wire = kept.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            name = f"half-{number:03}".encode()
            wire.sendall(b"\x10\x14\x00\x04MQTT\x04\x02\x00\x00\x00\x08" + name)
            assert wire.recv(4) == b"\x20\x02\x00\x00"
            wire.sendall(b"\x32\x80\x90\x08\x00\x09elsewhere")
            wires.append(wire)
        yield wires


def test_announced_bytes_of_clients_without_a_device_hold_up_no_device(broker: Broker, home: Path):
    with (
        gateway(LUMBUNG_MQTT__UNACKNOWLEDGED_BYTES="131072") as (_, port),
        half_messages(port, 3) as wires,
    ):
        device = Device(port)
        assert device.publish(TOPIC, price("beside-half-messages"))
        device.close()
        assert [wire.recv(1) for wire in wires] == [b""] * 3, "a client without a device may send 1 KiB"


async def serving(
    accept: Callable[[MqttSession, Published], Awaitable[None]], memory: ByteBudget
) -> asyncio.Server:
    """A server whose connections are sessions that share `memory`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = MqttSession(reader, writer, admit, accept, rate_of, memory, 65536, 60)
        await session.connect()
        await session.serve()
        await session.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def test_half_a_message_takes_no_memory_from_a_whole_one(lone_home: Path):
    async def answer_to_whole() -> bytes:
        memory = ByteBudget(100)

        async def accept(session: MqttSession, published: Published) -> None:
            assert published.payload == b"x" * 40

        server = await serving(accept, memory)
        half, whole = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in "ab"]
        half[1].write(CONNECT + publish_packet(90)[:50])
        assert await answered(half[0], 4) == b"\x20\x02\x00\x00"
        whole[1].write(CONNECT + publish_packet(40))
        answer = await answered(whole[0], 8)
        for _, writer in (half, whole):
            writer.close()
        server.close()
        return answer

    assert asyncio.run(answer_to_whole()) == b"\x20\x02\x00\x00" + b"\x40\x02\x00\x01"


class CountedBudget(ByteBudget):
    """Counts requests for memory."""

    requests = 0

    async def acquire(self, size: int) -> int:
        self.requests += 1
        return await super().acquire(size)


def test_sockets_are_not_read_while_too_many_bytes_wait_for_kafka(lone_home: Path):
    """Ten clients send 10 kB each while Kafka stalls; the gateway may hold 25 kB."""
    waiting: list[asyncio.Event] = []

    async def accept(session: MqttSession, published: Published) -> None:
        waiting.append(asyncio.Event())
        await waiting[-1].wait()

    async def stalled() -> None:
        memory = CountedBudget(25_000)

        server = await serving(accept, memory)
        clients = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in range(10)]
        for _, writer in clients:
            writer.write(CONNECT + publish_packet(10_000))
        await eventually_async(lambda: memory.requests == 10 and len(waiting) >= 2)
        for released in range(10):  # each acknowledgement makes room for the next message
            await eventually_async(lambda released=released: len(waiting) > released)
            assert len(waiting) <= released + 2
            waiting[released].set()
        for reader, writer in clients:
            assert await answered(reader, 8) == b"\x20\x02\x00\x00" + b"\x40\x02\x00\x01"
            writer.close()
        server.close()

    asyncio.run(stalled())


def test_client_that_stops_waiting_for_memory_blocks_no_other():
    async def queue() -> bool:
        memory = ByteBudget(10)
        held = await memory.acquire(8)
        large = asyncio.create_task(memory.acquire(9))
        small = asyncio.create_task(memory.acquire(2))
        await asyncio.sleep(0)
        large.cancel()
        await asyncio.wait([large, small], timeout=60)
        if small.done():
            memory.release(held)
            assert await asyncio.wait_for(memory.acquire(8), 60) == 8
        return small.done()

    assert asyncio.run(queue()), "it has room since the first one left the queue"


def test_one_connection_too_many_ends_the_longest_idle_one(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(settings().mqtt, "max_connections", 2)

    async def crowd() -> None:
        lone = Gateway(None, Everybody())  # type: ignore[arg-type]
        server = await asyncio.start_server(lone.connected, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = []
        for name in b"abc":
            reader, writer = await asyncio.open_connection(*address)
            writer.write(CONNECT[:-1] + bytes([name]))
            assert await answered(reader, 4) == b"\x20\x02\x00\x00", "the newest client is served"
            clients.append((reader, writer))
        first, second, third = clients
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await answered(first[0], 1)
        for reader, writer in (second, third):
            writer.write(b"\xc0\x00")
            assert await answered(reader, 2) == b"\xd0\x00", "the others stay"
            writer.close()
        server.close()

    asyncio.run(crowd())
    assert "'a') disconnected: too many connections" in caplog.text


def test_idle_client_is_disconnected_whatever_its_keep_alive(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settings().mqtt, "idle_seconds", 0.3)

    async def silent() -> bytes:
        lone = Gateway(None, Everybody())  # type: ignore[arg-type]
        server = await asyncio.start_server(lone.connected, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(CONNECT[:10] + b"\x00\x00" + CONNECT[12:])  # keep-alive 0: never
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        server.close()
        return answer

    assert asyncio.run(silent()) == b"\x20\x02\x00\x00"


@pytest.mark.parametrize(
    "fault", [StoreUnavailable("moved"), SQLAlchemyError("broken"), OSError(5, "no disk")]
)
def test_revoked_device_is_disconnected_after_a_failure_of_the_identity_store(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
):
    monkeypatch.setattr(mqtt_gateway, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(endless, "PAUSE_SECONDS", 0.01)
    failures = [fault] * 3

    class Hiccup(Everybody):
        """The store fails three times, and then says that every device was revoked."""

        async def ended(self, clients: set[Client]) -> set[Client]:
            if clients and failures:
                raise failures.pop()
            return clients

    async def connected() -> bytes:
        lone = Gateway(None, Hiccup())  # type: ignore[arg-type]
        watching = asyncio.create_task(endless.keep_running("device_watch", lone.watch))
        server = await asyncio.start_server(lone.connected, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(CONNECT)
        answer = await answered(reader, 4)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await answered(reader, 1)
        watching.cancel()
        writer.close()
        server.close()
        return answer

    assert asyncio.run(connected()) == b"\x20\x02\x00\x00"
    assert not failures
