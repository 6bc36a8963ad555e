"""Load on the API over keep-alive connections on raw sockets, which leave most of the CPU to the server."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from lakehouse.io.kafka import is_open
from scripts.bench.api_lake import write_history, write_live
from scripts.bench.harness import in_milliseconds, running, temporary_stack
from scripts.stack.patience import comes_true
from scripts.stack.throwaway import Stack

MEANS = (
    "one worker, load generator on the same machine, a lake for this bench only, stream not running; "
    "milliseconds from request to last byte"
)
LIVE = "/api/public/commodity/price/live?commodity=cabai-rawit-merah"
LIST = "/api/public/market/list"
HISTORY_PAGES = 25
HISTORY = "/api/public/commodity/price/history?commodity=cabai-rawit-merah&limit=100&market_id=PASAR-001"


class UnexpectedResponse(RuntimeError):
    """The server did not answer with status 200 or 201."""


async def client(
    address: tuple[str, int],
    path: str,
    until: float,
    durations: list[float],
    body: bytes | None = None,
    token: str = "",
) -> None:
    """Send requests on one connection, each after the response to the last: GET, or POST with a JSON body.

    `token`: bearer of the caller. Adds the seconds of each request to `durations`. Raises UnexpectedResponse
    for a status other than 200 and 201.
    """
    reader, writer = await asyncio.open_connection(*address)
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        f"Host: {address[0]}:{address[1]}",
        "Accept: application/json",
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    request = "\r\n".join([*lines, "", ""]).encode() + (body or b"")
    try:
        while (started := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                raise UnexpectedResponse(f"{path}: {head.split(bytes([13]), 1)[0].decode()}")
            length_at = head.lower().index(b"content-length:") + 15
            await reader.readexactly(int(head[length_at : head.index(b"\r\n", length_at)]))
            durations.append(time.perf_counter() - started)
    finally:
        writer.close()


async def load(
    url: str, path: str, connections: int, seconds: float, body: bytes | None = None, token: str = ""
) -> dict[str, object]:
    """Requests per second and percentiles of one path, after a short warm-up."""
    address = (urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80)
    await client(address, path, time.perf_counter() + 0.5, [], body, token)
    durations: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(
        *(client(address, path, started + seconds, durations, body, token) for _ in range(connections))
    )
    elapsed = time.perf_counter() - started
    return {"requests_per_second": round(len(durations) / elapsed), "ms": in_milliseconds(durations)}


@contextmanager
def api_only(stack: Stack) -> Iterator[str]:
    """Start only the API of a stack; yields its address once it responds.

    Raises RuntimeError when the API ends or does not respond within 60 seconds.
    """
    with running(stack, "serving_api") as process:
        comes_true(lambda: process.poll() is not None or is_open("127.0.0.1", stack.api_port), 60)
        if not is_open("127.0.0.1", stack.api_port):
            raise RuntimeError("the API does not respond; its output is above")
        yield stack.api_url


def measure(connections: int = 32, seconds: float = 8, history_rows: int = 200_000) -> dict[str, object]:
    """Figures of live prices and the market list under load, and of one history page without other load.

    The history page is measured at `history_rows` rows and at ten times as many.
    """
    figures: dict[str, object] = {"connections": connections}
    for factor in (1, 10):
        with temporary_stack() as stack:
            write_live(stack.lake_root)
            rows = write_history(stack.lake_root, 6 * factor, history_rows // 6)
            with api_only(stack) as url:
                if factor == 1:
                    figures["live"] = asyncio.run(load(url, LIVE, connections, seconds))
                    figures["markets"] = asyncio.run(load(url, LIST, connections, seconds))
                figures[f"history_page_of_{rows}_rows_ms"] = measure_history_page(url)
    return figures


def measure_history_page(url: str) -> dict[str, float]:
    """Milliseconds of one history page. Each request has a new range, so none is cached."""
    pages = [(f"{url}{HISTORY}&from=2000-01-{number + 1:02}", None) for number in range(HISTORY_PAGES)]
    return in_milliseconds(durations_of(pages))


def durations_of(requests: Iterable[tuple[str, bytes | None]]) -> list[float]:
    """Seconds of requests sent one after the other: GET, or POST with a JSON body."""
    durations = []
    for address, body in requests:
        request = Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  # our own process
        started = time.perf_counter()
        with urlopen(request, timeout=30) as response:  # noqa: S310
            response.read()
        durations.append(time.perf_counter() - started)
    return durations
