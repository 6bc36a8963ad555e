"""Load on the API: keep-alive connections on raw sockets, so that the generator leaves the server its cores."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from conf.settings import REPO
from scripts.bench.api_lake import write_history, write_live
from tests.integration.stack import Stack

MEANS = "one worker, generator on the same machine, lake of its own, stream not running; milliseconds from request to last byte"
LIVE = "/api/public/commodity/price/live?commodity=cabai-rawit-merah"
LIST = "/api/public/market/list"
HISTORY = "/api/public/commodity/price/history?commodity=cabai-rawit-merah&limit=100&market_id=PASAR-001&from=2000-01-01"


class Unexpected(RuntimeError):
    """The server answered something else than 200, or closed the connection."""


async def client(address: tuple[str, int], path: str, until: float, took: list[float], body: bytes | None = None) -> None:
    """One connection that asks again as soon as it is answered: GET, or POST with a JSON body. Raises Unexpected."""
    reader, writer = await asyncio.open_connection(*address)
    told = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body is not None else ""
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
    ask = f"{head}Accept: application/json\r\n{told}\r\n".encode() + (body or b"")
    try:
        while (began := time.perf_counter()) < until:
            writer.write(ask)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise Unexpected(f"{path}: {head.split(bytes([13]), 1)[0].decode()}")
            at = head.lower().index(b"content-length:") + 15
            await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
            took.append(time.perf_counter() - began)
    finally:
        writer.close()


async def load(url: str, path: str, connections: int, seconds: float, body: bytes | None = None) -> dict[str, float]:
    """Requests per second and percentiles of one path, after a short warm-up."""
    address = (urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80)
    await client(address, path, time.perf_counter() + 0.5, [], body)
    took: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(client(address, path, began + seconds, took, body) for _ in range(connections)))
    elapsed = time.perf_counter() - began
    took.sort()
    figures = {f"p{part}_ms": round(took[min(len(took) - 1, len(took) * part // 100)] * 1000, 2) for part in (50, 95, 99)}
    return {"requests_per_second": round(len(took) / elapsed), **figures}


@contextmanager
def api_only(stack: Stack) -> Iterator[str]:
    """The API of a stack of which nothing else runs; yields its address once it answers."""
    subprocess.run([sys.executable, "-m", "scripts.secrets_file"], cwd=REPO, env=stack.env, check=True, capture_output=True)
    serving = subprocess.Popen([sys.executable, "-m", "serving_api"], cwd=REPO, env=stack.env)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{stack.api_url}/livez", timeout=2)  # noqa: S310  # our own process
                break
            except (URLError, ConnectionError) as error:
                if serving.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("the API does not answer; its words are above") from error
                time.sleep(0.1)
        yield stack.api_url
    finally:
        serving.terminate()
        serving.wait(20)


def measure(connections: int = 32, seconds: float = 8, history_rows: int = 200_000) -> dict[str, object]:
    """Live prices and market list under load; a page of history, alone, at `history_rows` and at ten times as many."""
    figures: dict[str, object] = {"connections": connections}
    home = Path(tempfile.mkdtemp(prefix="lumbung-bench-"))
    try:
        for times in (1, 10):
            stack = Stack(home / f"x{times}")
            write_live(stack.lake_root)
            rows = write_history(stack.lake_root, 6 * times, history_rows // 6)
            with api_only(stack) as url:
                if times == 1:
                    figures["live"] = asyncio.run(load(url, LIVE, connections, seconds))
                    figures["markets"] = asyncio.run(load(url, LIST, connections, seconds))
                figures[f"history_page_of_{rows}_rows"] = history(url)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return figures


def history(url: str, pages: int = 25) -> dict[str, float]:
    """Milliseconds of one page of history, each of a range not asked before, so that none comes from the cache."""
    took = []
    for number in range(pages):
        address = f"{url}{HISTORY.replace('from=2000-01-01', f'from=2000-01-{number + 1:02d}')}"
        began = time.perf_counter()
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310  # our own process
            answer.read()
        took.append(time.perf_counter() - began)
    took.sort()
    return {"p50_ms": round(took[len(took) // 2] * 1000, 2), "p95_ms": round(took[len(took) * 95 // 100] * 1000, 2)}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
