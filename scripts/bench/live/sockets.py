"""A thousand WebSockets on one API: how late a message arrives, with one client that reads nothing."""

import asyncio
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scripts.bench.api_lake import PriceCommits, write_live
from scripts.bench.api_load import LIVE, api_only, client
from scripts.bench.harness import Usage, in_milliseconds, temporary_stack
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


def seconds_of(text: bytes, name: bytes) -> float:
    """A time inside a message, in seconds since 1970."""
    begin = text.index(b'"' + name + b'":"') + len(name) + 4
    return datetime.fromisoformat(text[begin : text.index(b'"', begin)].decode()).timestamp()


async def watch(connection: ClientConnection, arrivals: list[tuple[float, bytes]]) -> None:
    """Note when each update arrives; what they say is read when the load is over.

    1,000 of them share one core with the server: a reader that decodes at once would measure itself.
    """
    with suppress(ConnectionClosed):
        while True:
            body = await connection.recv(decode=False)
            if b'"price_update"' in body:
                arrivals.append((time.time(), body))


async def watch_all(host: str, port: int, clients: int, until: float) -> list[tuple[float, float]]:
    """(seconds since `ts`, seconds since the price's time) of each update that the clients received.

    One more client reads nothing. Raises InvalidHandshake when a client was refused.
    """
    arrivals: list[tuple[float, bytes]] = []
    open_one = partial(connect, f"ws://{host}:{port}{PATH}", compression=None, ping_interval=None)
    unread = open_one(sock=socket_of_small_buffer(host, port), max_queue=1, close_timeout=1)
    async with asyncio.TaskGroup() as watching, AsyncExitStack() as connections:
        await connections.enter_async_context(unread)
        for _ in range(clients):
            connection = await connections.enter_async_context(open_one())
            watching.create_task(watch(connection, arrivals))
        await asyncio.sleep(until - time.time())
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
    with ProcessPoolExecutor(2) as pool:
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
        "message_ms": in_milliseconds([message for message, _ in delays]),
        "commit_ms": in_milliseconds([commit for _, commit in delays]),
        "requests_per_second": round(len(durations) / seconds),
        "request_ms": in_milliseconds(durations),
        "cpu_percent_of_a_core": round(100 * usage.cpu_seconds / seconds, 1),
    }


def socket_of_small_buffer(host: str, port: int) -> socket.socket:
    """A connection that takes little beyond what is read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    small.connect((host, port))
    return small


def api_pid(stack: Stack) -> int:
    """The process that listens on the API's port."""
    return next(process.pid for process in holders(stack.api_port))
