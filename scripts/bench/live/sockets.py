"""A thousand WebSockets on one API: how late a message arrives, with one client that reads nothing."""

import asyncio
import base64
import json
import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
import time
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from lakehouse.paths import table_path
from scripts.bench.api_lake import write_live
from scripts.bench.api_load import LIVE, api_only, client
from scripts.bench.figures import percentiles, sampled
from scripts.stack.ports import holders
from scripts.stack.throwaway import Stack

MEANS = (
    "one worker, clients in a process of their own on the same machine; milliseconds. message: from its `ts` "
    "to its receipt; commit: from the begin of the commit that changes gold.live_prices to the receipt; "
    "request: GET live prices meanwhile"
)
COMMODITY = "cabai-rawit-merah"
PATH = f"/ws/prices?commodity={COMMODITY}"
SETTLING_SECONDS = 12.0  # until every client is connected
TEXT = 0x81  # a frame with the whole of a text (RFC 6455, 5.2)
PING = 0x89


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


async def open_socket(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket after its handshake. Raises RuntimeError when it is refused."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(handshake(host, port))
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"the handshake was refused: {head[:60]!r}")
    return reader, writer


async def next_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """First byte and body of the next frame, shorter than 64 KiB."""
    first, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2))
    return first, await reader.readexactly(length)


def seconds_of(text: bytes, name: bytes) -> float:
    """A time inside a message, in seconds since 1970."""
    begin = text.index(b'"' + name + b'":"') + len(name) + 4
    return datetime.fromisoformat(text[begin : text.index(b'"', begin)].decode()).timestamp()


async def watch(host: str, port: int, until: float, delays: list[tuple[float, float]]) -> None:
    """Read one socket; adds (seconds since `ts`, seconds since the price's time) of each update."""
    reader, writer = await open_socket(host, port)
    try:
        while (left := until - time.time()) > 0:
            first, body = await asyncio.wait_for(next_frame(reader), left)
            now = time.time()
            if first == PING:
                writer.write(b"\x8a\x80\x00\x00\x00\x00")
            elif first == TEXT and b'"price_update"' in body:
                delays.append((now - seconds_of(body, b"ts"), now - seconds_of(body, b"event_time")))
    except TimeoutError:
        return
    finally:
        writer.close()


async def watch_all(host: str, port: int, clients: int, until: float) -> list[tuple[float, float]]:
    """The delays of all updates that the clients received."""
    delays: list[tuple[float, float]] = []
    watching = []
    for number in range(clients):
        watching.append(asyncio.create_task(watch(host, port, until, delays)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)  # a backlog of connections is limited
    await asyncio.gather(*watching)
    return delays


def generate(
    host: str, port: int, clients: int, until: float, results: "Queue[list[tuple[float, float]]]"
) -> None:
    """The process of the clients."""
    results.put(asyncio.run(watch_all(host, port, clients, until)))


def publish(root: str, until: float, per_second: float) -> int:
    """Commit a new price of one market so often; returns the number of commits."""
    path = table_path(root, "gold.live_prices")
    rows = DeltaTable(path).to_pyarrow_table()
    is_watched = pc.and_(
        pc.equal(rows["commodity"], COMMODITY), pc.equal(rows["market_id"], rows["market_id"][0])
    )
    others = rows.filter(pc.invert(is_watched))
    (watched,) = rows.filter(is_watched).to_pylist()
    commits = 0
    due = time.time()
    while (due := due + 1 / per_second) < until:
        time.sleep(max(0.0, due - time.time()))
        news = {**watched, "event_time": datetime.now(UTC), "event_id": f"push-{commits}"}
        changed = pa.Table.from_pylist([news], schema=rows.schema)
        write_deltalake(path, pa.concat_tables([others, changed]), mode="overwrite")
        commits += 1
    return commits


def measure(clients: int = 1000, per_second: float = 5, seconds: float = 20) -> dict[str, object]:
    """Delays of `clients`, to each of which `per_second` messages are due, while requests are served too."""
    home = Path(tempfile.mkdtemp(prefix="lumbung-bench-"))
    knobs = {
        "LUMBUNG_API__MAX_CONNECTIONS": str(2 * clients),
        "LUMBUNG_API__MAX_WEBSOCKETS": str(clients + 1),
    }
    stack = Stack(home / "home", **knobs)
    write_live(stack.lake_root)
    try:
        with api_only(stack) as url:
            return {"clients": clients, **loaded(stack, url, clients, per_second, seconds)}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def loaded(stack: Stack, url: str, clients: int, per_second: float, seconds: float) -> dict[str, object]:
    """The figures of an API that runs."""
    host = urlsplit(url).hostname or "127.0.0.1"
    until = time.time() + SETTLING_SECONDS + seconds
    results: Queue[list[tuple[float, float]]] = multiprocessing.Queue()
    arguments = (host, stack.api_port, clients, until, results)
    generator = multiprocessing.Process(target=generate, args=arguments)
    generator.start()
    with socket_without_reader(host, stack.api_port):
        time.sleep(SETTLING_SECONDS)
        with sampled(api_pid(stack)) as usage:
            requests: list[float] = []
            end = time.perf_counter() + seconds - 1
            asking = threading.Thread(
                target=lambda: asyncio.run(client((host, stack.api_port), LIVE, end, requests))
            )
            asking.start()
            commits = publish(stack.lake_root, until - 1, per_second)
            asking.join()
        delays = results.get()
        generator.join()
    return {
        "commits": commits,
        "messages": len(delays),
        "messages_due": commits * clients,
        "message_ms": percentiles([1000 * message for message, _ in delays]),
        "commit_ms": percentiles([1000 * commit for _, commit in delays]),
        "request_ms": percentiles([1000 * duration for duration in requests]),
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


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
