"""Connections that hold the server up: too many, requests that never arrive, and headers without an end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from conf.settings import settings
from serving_api.http.connections import BoundedConnection
from tests.support.waiting import eventually_async

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
REQUEST_SECONDS = 3600.0
WATCHED: list["WatchedConnection"] = []
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class WatchedConnection(BoundedConnection):
    """A connection whose time ends when the test says so."""

    arrived = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        WATCHED.append(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.arrived += len(data)

    def end_time(self) -> None:
        timer = self._arriving
        assert timer is not None and timer.when() - self.loop.time() <= REQUEST_SECONDS
        timer.cancel()
        self._time_out()


def with_server(
    test: Callable[[Connect], Awaitable[None]], connection: type[BoundedConnection] = BoundedConnection
) -> None:
    """Run the test against a server on a free port."""

    async def run() -> None:
        config = uvicorn.Config(echo, port=0, http=connection, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        await eventually_async(lambda: server.started)
        address = server.servers[0].sockets[0].getsockname()
        try:
            await test(lambda: asyncio.open_connection(*address))
        finally:
            server.should_exit = True
            await serving

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readline(), 60)


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection without a word. Connected says nothing: the kernel does that."""
    try:
        return await answer(reader) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"GET / HTTP/1.1\r\nhost:", b"HTTP/1.1 408 Request Timeout\r\n"),
        (REQUEST + b"GET / HT", b"HTTP/1.1 204 No Content\r\n"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf", b""),
    ],
    ids=["nothing", "half a header", "half of a second request", "half a body"],
)
def test_request_that_does_not_arrive_in_time_ends_its_connection(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes, expected: bytes
) -> None:
    monkeypatch.setattr(settings().api, "request_seconds", REQUEST_SECONDS)
    WATCHED.clear()
    is_answered = sent.startswith(REQUEST)

    async def send_and_wait(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(sent)
        await eventually_async(lambda: WATCHED and WATCHED[0].arrived == len(sent))
        if is_answered:
            await eventually_async(lambda: WATCHED[0].cycle and WATCHED[0].cycle.response_complete)
        WATCHED[0].end_time()
        assert await answer(reader) == expected
        rest = await asyncio.wait_for(reader.read(), 60)  # until the server ends the connection
        assert (b"408" in rest) == is_answered
        writer.close()

    with_server(send_and_wait, WatchedConnection)


def test_connection_above_the_limit_ends_the_one_that_waited_for_longest(
    lone_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings().api, "max_connections", 2)

    async def crowd(connect: Connect) -> None:
        first, second, third = [await connect() for _ in range(3)]
        assert await is_ended(first[0])
        for reader, writer in (third, second):
            writer.write(REQUEST)
            assert await answer(reader) == b"HTTP/1.1 204 No Content\r\n"
            writer.close()

    with_server(crowd)


FIELD = b"x: " + b"a" * 997
LARGE = b"\r\n".join([b"GET / HTTP/1.1", b"host: x", *[FIELD] * 66, b"", b""])
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"


@pytest.mark.parametrize(
    ("sent", "endless"),
    [
        (LARGE, b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\nlong: ", b"a" * 50_000),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", (FIELD + b"\r\n") * 50),
        (b"GET /", b"a" * 50_000),
        (b"", b"\r\n" * 25_000),
    ],
    ids=[
        "complete",
        "a header without an end",
        "headers without an end",
        "a target without an end",
        "no line",
    ],
)
def test_headers_of_more_than_64_kib_are_431_and_end_the_connection(
    lone_home: Path, sent: bytes, endless: bytes
) -> None:
    WATCHED.clear()

    async def send_without_end(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(sent)
        await eventually_async(lambda: WATCHED and WATCHED[0].arrived == len(sent))
        while endless and not WATCHED[0].transport.is_closing():
            before = WATCHED[0].arrived
            writer.write(endless)
            await eventually_async(lambda before=before: WATCHED[0].arrived >= before + len(endless))
        assert WATCHED[0].arrived <= len(sent) + 3 * len(endless)
        assert await answer(reader) == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        await asyncio.wait_for(reader.read(), 60)
        writer.close()

    with_server(send_without_end, WatchedConnection)


def test_trailers_without_an_end_end_the_connection(lone_home: Path) -> None:
    WATCHED.clear()

    async def send_trailers(connect: Connect) -> None:
        _, writer = await connect()
        writer.write(CHUNKED)
        await eventually_async(lambda: WATCHED and WATCHED[0].arrived == len(CHUNKED))
        for _ in range(2):
            before = WATCHED[0].arrived
            writer.write((FIELD + b"\r\n") * 50)
            await eventually_async(lambda before=before: WATCHED[0].arrived >= before + 50_000)
        assert WATCHED[0].transport.is_closing()
        writer.close()

    with_server(send_trailers, WatchedConnection)


def test_long_body_and_headers_below_the_bound_are_answered(lone_home: Path) -> None:
    fields = b"\r\n".join([FIELD] * 60)
    body = b"b" * 500_000
    request = b"POST / HTTP/1.1\r\nhost: x\r\n%s\r\ncontent-length: %d\r\n\r\n%s" % (fields, len(body), body)

    async def send_twice(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(request * 2)
        for _ in range(2):
            assert await answer(reader) == b"HTTP/1.1 204 No Content\r\n"
            while await answer(reader) != b"\r\n":
                pass
        writer.close()

    with_server(send_twice)
