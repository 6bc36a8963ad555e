"""Connections that hold the server up: too many, and requests that never arrive."""

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
