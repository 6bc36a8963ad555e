"""Load on the API over keep-alive connections on raw sockets, which leave most of the CPU to the server."""

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.parse import urlsplit

from conf.settings import REPO
from scripts.bench.api_lake import write_history, write_live
from scripts.bench.place import temporary_home
from scripts.stack.throwaway import Stack

MEANS = (
    "one worker, load generator on the same machine, a lake for this bench only, stream not running; "
    "milliseconds from request to last byte"
)
LIVE = "/api/public/commodity/price/live?commodity=cabai-rawit-merah"
LIST = "/api/public/market/list"
HISTORY_PAGES = 25
HISTORY = (
    "/api/public/commodity/price/history"
    "?commodity=cabai-rawit-merah&limit=100&market_id=PASAR-001&from=2000-01-01"
)


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
    body_headers = (
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body is not None else ""
    )
    request_head = (
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
    )
    if token:
        body_headers += f"Authorization: Bearer {token}\r\n"
    request = f"{request_head}Accept: application/json\r\n{body_headers}\r\n".encode() + (body or b"")
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
) -> dict[str, float]:
    """Requests per second and percentiles of one path, after a short warm-up."""
    address = (urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80)
    await client(address, path, time.perf_counter() + 0.5, [], body, token)
    durations: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(
        *(client(address, path, started + seconds, durations, body, token) for _ in range(connections))
    )
    elapsed = time.perf_counter() - started
    durations.sort()
    figures = {
        f"p{part}_ms": round(durations[min(len(durations) - 1, len(durations) * part // 100)] * 1000, 2)
        for part in (50, 95, 99)
    }
    return {"requests_per_second": round(len(durations) / elapsed), **figures}


@contextmanager
def api_only(stack: Stack) -> Iterator[str]:
    """Start only the API of a stack; yields its address once it responds.

    Raises RuntimeError when the API ends or does not respond within 60 seconds.
    """
    subprocess.run(
        [sys.executable, "-m", "scripts.stack.secrets_file"],
        cwd=REPO,
        env=stack.env,
        check=True,
        capture_output=True,
    )
    api_process = subprocess.Popen([sys.executable, "-m", "serving_api"], cwd=REPO, env=stack.env)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{stack.api_url}/livez", timeout=2)  # noqa: S310  # our own process
                break
            except (URLError, ConnectionError) as error:
                if api_process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the API does not respond; its output is above") from error
                time.sleep(0.1)
        yield stack.api_url
    finally:
        api_process.terminate()
        api_process.wait(20)


def measure(connections: int = 32, seconds: float = 8, history_rows: int = 200_000) -> dict[str, object]:
    """Figures of live prices and the market list under load, and of one history page without other load.

    The history page is measured at `history_rows` rows and at ten times as many.
    """
    figures: dict[str, object] = {"connections": connections}
    with temporary_home() as home:
        for factor in (1, 10):
            stack = Stack(home / f"x{factor}")
            write_live(stack.lake_root)
            rows = write_history(stack.lake_root, 6 * factor, history_rows // 6)
            with api_only(stack) as url:
                if factor == 1:
                    figures["live"] = asyncio.run(load(url, LIVE, connections, seconds))
                    figures["markets"] = asyncio.run(load(url, LIST, connections, seconds))
                figures[f"history_page_of_{rows}_rows"] = measure_history_page(url)
    return figures


def measure_history_page(url: str) -> dict[str, float]:
    """Milliseconds of one history page. Each request has a new range, so none is cached."""
    durations = []
    for number in range(HISTORY_PAGES):
        address = f"{url}{HISTORY.replace('from=2000-01-01', f'from=2000-01-{number + 1:02d}')}"
        started = time.perf_counter()
        with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310  # our own process
            response.read()
        durations.append(time.perf_counter() - started)
    durations.sort()
    return {
        "p50_ms": round(durations[len(durations) // 2] * 1000, 2),
        "p95_ms": round(durations[len(durations) * 95 // 100] * 1000, 2),
    }
