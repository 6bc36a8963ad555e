"""A thousand WebSockets on one API: how late a message arrives, with one client that reads nothing."""

import asyncio
import base64
import os
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop

from scripts.bench.api_lake import PriceCommits, write_live
from scripts.bench.api_load import LIVE, api_only, client
from scripts.bench.harness import Usage, percentiles, temporary_stack
from scripts.stack.ports import holders
from scripts.stack.throwaway import Stack

MEANS = (
    "one worker, clients and requests in processes of their own on the same machine; milliseconds. message: "
    "from its `ts` to its receipt; commit: from the begin of the commit that changes gold.live_prices to the "
    "receipt; request: GET live prices meanwhile, one after the other without a pause"
)
COMMODITY = "cabai-rawit-merah"
PATH = f"/ws/prices?commodity={COMMODITY}"
SETTLING_SECONDS = 12.0  # until every client is connected
TEXT = 0x81  # a frame with the whole of a text (RFC 6455, 5.2)
PING = 0x89
PONG = b"\x8a\x80\x00\x00\x00\x00"


def handshake(host: str, port: int) -> bytes:
    """The request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {PATH} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join((*lines, "", "")).encode()


def seconds_of(text: bytes, name: bytes) -> float:
    """A time inside a message, in seconds since 1970."""
    begin = text.index(b'"' + name + b'":"') + len(name) + 4
    return datetime.fromisoformat(text[begin : text.index(b'"', begin)].decode()).timestamp()


class Watcher(asyncio.Protocol):
    """A WebSocket that notes when each update arrives; what they say is read when the load is over.

    1,000 of them share one core with the server: a reader that decodes at once would measure itself.
    """

    def __init__(self, request: bytes, arrivals: list[tuple[float, bytes]]) -> None:
        self._request = request
        self._arrivals = arrivals
        self._buffer = b""
        self._transport: asyncio.Transport
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the frames that are complete, and answer pings."""
        now = time.time()
        self._buffer += data
        if not self.is_open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.is_open = b" 101 " in head.split(b"\r\n")[0]
            self._buffer = rest
        while frame := first_frame(self._buffer):
            first, body, self._buffer = frame
            if first == PING:
                self._transport.write(PONG)
            elif first == TEXT and b'"price_update"' in body:
                self._arrivals.append((now, body))

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


def first_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """(first byte, body, what follows) of a frame of a server; None while it is not complete."""
    if len(data) < 4:
        return None
    begin, length = (4, int.from_bytes(data[2:4])) if data[1] == 126 else (2, data[1])
    end = begin + length
    return (data[0], data[begin:end], data[end:]) if len(data) >= end else None


async def watch_all(host: str, port: int, clients: int, until: float) -> list[tuple[float, float]]:
    """(seconds since `ts`, seconds since the price's time) of each update that the clients received.

    Raises RuntimeError when a handshake was refused.
    """
    arrivals: list[tuple[float, bytes]] = []
    watchers = [Watcher(handshake(host, port), arrivals) for _ in range(clients)]
    connect = asyncio.get_running_loop().create_connection
    for number in range(clients):
        await connect(partial(watchers.__getitem__, number), host, port)
        if number % 50 == 49:
            await asyncio.sleep(0.05)  # a backlog of connections is limited
    await asyncio.sleep(until - time.time())
    refused = sum(not watcher.is_open for watcher in watchers)
    for watcher in watchers:
        watcher.close()
    if refused:
        raise RuntimeError(f"{refused} of {clients} handshakes were refused")
    return [(now - seconds_of(body, b"ts"), now - seconds_of(body, b"event_time")) for now, body in arrivals]


def generate(host: str, port: int, clients: int, until: float) -> list[tuple[float, float]]:
    """What the process of the clients does."""
    return uvloop.run(watch_all(host, port, clients, until))


def request(host: str, port: int, until: float) -> list[float]:
    """Send requests, one after the other; the seconds of each."""
    durations: list[float] = []
    end = time.perf_counter() + until - time.time()
    asyncio.run(client((host, port), LIVE, end, durations))
    return durations


def publish(root: str, until: float, per_second: float) -> int:
    """Commit a new price of one market so often; returns the number of commits."""
    prices = PriceCommits(root, COMMODITY)
    due = time.time()
    while (due := due + 1 / per_second) < until:
        time.sleep(max(0.0, due - time.time()))
        prices.commit(1)
    return prices.number


def measure(clients: int = 1000, per_second: float = 5, seconds: float = 20) -> dict[str, object]:
    """Delays of `clients`, to each of which `per_second` messages are due, while requests are served too."""
    knobs = {
        "LUMBUNG_API__MAX_CONNECTIONS": str(2 * clients),
        "LUMBUNG_API__MAX_WEBSOCKETS": str(clients + 1),
    }
    with temporary_stack(**knobs) as stack:
        write_live(stack.lake_root)
        with api_only(stack) as url:
            return {"clients": clients, **loaded(stack, url, clients, per_second, seconds)}


def loaded(stack: Stack, url: str, clients: int, per_second: float, seconds: float) -> dict[str, object]:
    """The figures of an API that runs."""
    host = urlsplit(url).hostname or "127.0.0.1"
    until = time.time() + SETTLING_SECONDS + seconds
    with ProcessPoolExecutor(2) as pool, socket_without_reader(host, stack.api_port):
        watching = pool.submit(generate, host, stack.api_port, clients, until)
        time.sleep(SETTLING_SECONDS)
        with Usage(api_pid(stack)) as usage:
            requesting = pool.submit(request, host, stack.api_port, until - 1)
            commits = publish(stack.lake_root, until - 1, per_second)
            durations = requesting.result(60)
        delays = watching.result(60)
    return {
        "commits": commits,
        "messages": len(delays),
        "messages_due": commits * clients,
        "message_ms": percentiles([1000 * message for message, _ in delays]),
        "commit_ms": percentiles([1000 * commit for _, commit in delays]),
        "requests_per_second": round(len(durations) / seconds),
        "request_ms": percentiles([1000 * duration for duration in durations]),
        "cpu_percent_of_a_core": round(100 * usage.cpu_seconds / seconds, 1),
    }


def socket_without_reader(host: str, port: int) -> socket.socket:
    """A client that shakes hands and then reads nothing."""
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    silent.connect((host, port))
    silent.sendall(handshake(host, port))
    return silent


def api_pid(stack: Stack) -> int:
    """The process that listens on the API's port."""
    return next(process.pid for process in holders(stack.api_port))
