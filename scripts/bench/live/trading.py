"""Paper trading on the whole stack: bar to signal, orders, the dashboard under load, and its sockets."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pyarrow.compute as pc
from confluent_kafka import Producer
from deltalake import DeltaTable
from websockets.asyncio.client import connect

from conf.settings import REPO
from lakehouse.event import Event
from lakehouse.io.kafka import client_config
from lakehouse.paths import table_path
from lakehouse.times import rfc3339
from lakehouse.trading.bars import Bars
from lakehouse.trading.series_bars import StoredSeries, time_of
from lakehouse.trading.signal_rows import signal_rows
from lakehouse.trading.signals import Series
from scripts.bench.api_lake import write
from scripts.bench.api_load import load
from scripts.bench.harness import in_milliseconds, percentiles, temporary_stack
from scripts.stack.throwaway import Stack

MEANS = (
    "whole stack with the embedded engine, load generator on the same machine; signal_ms: from the moment "
    "Kafka has the bars of all symbols to the commit with the last of their signals; orders: all accepted, "
    "each answered when Kafka has it; dashboard and orders while every socket is open; gap: between two "
    "dashboards on one socket"
)
HISTORY = 500  # bars of each symbol before the first round: a signal reads so many
MINUTE = 60_000_000
ROUND_SECONDS = 8.0  # bars of a minute leave more time between them
WARM_UP_ROUNDS = 2  # in which the jobs read their tables and check the signals of the history
POLL_SECONDS = 0.01
CREATE_TABLES = "from lakehouse.io.delta import create_tables; create_tables()"
BAR_SOURCE = "sim:bench"  # a replayed feed: its newest bar is its clock
KNOBS = {
    "LUMBUNG_STREAM__ENGINE": "embedded",
    "LUMBUNG_TRADING__MIN_CONFIDENCE": "0.01",
    "LUMBUNG_TRADING__MAX_DAILY_TRADES": "1000000",
}


def walks(symbols: int, length: int, end: datetime) -> dict[str, Bars]:
    """Symbol -> bars of a minute of a driftless walk, the last of which ends at `end`."""
    draw = np.random.default_rng(1)
    time = int(end.timestamp() * 1e6) - MINUTE * np.arange(length, 0, -1, dtype=np.int64)
    bars = {}
    for number in range(symbols):
        close = 100 * np.exp(np.cumsum(draw.normal(0, 0.001, length)))
        opening = np.concatenate([[100.0], close[:-1]])
        high = np.maximum(opening, close) * 1.0002
        low = np.minimum(opening, close) * 0.9998
        volume = draw.uniform(500, 1500, length)
        ones = np.ones(length)
        bars[f"B{number:03d}USDT"] = Bars(time, opening, high, low, close, volume, ones.astype(bool), ones)
    return bars


def bar_payloads(bars: dict[str, Bars], at: int) -> Iterator[dict[str, object]]:
    """The bar of each symbol at one place, as a payload."""
    for symbol, series in bars.items():
        prices = {
            name: float(getattr(series, name)[at]) for name in ("open", "high", "low", "close", "volume")
        }
        begin = time_of(int(series.time[at]))
        yield prices | {
            "symbol": symbol,
            "asset_class": "crypto",
            "interval": "1m",
            "currency": "USDT",
            "bar_time": rfc3339(begin),
            "event_time": rfc3339(begin + timedelta(minutes=1)),
            "final": True,
        }


def write_past(root: str, bars: dict[str, Bars]) -> None:
    """The first HISTORY bars as stored and followed up to the last: it has the newest signal."""
    begun = datetime.now(UTC) - timedelta(hours=1)
    signals = []
    for symbol, series in bars.items():
        past = series.part(0, HISTORY)
        stored = StoredSeries(Series(symbol, "crypto", "1m", "USDT"), past, past.time + MINUTE, "sim")
        signals += signal_rows(stored, HISTORY - 1, HISTORY, 0.0)[0]
    rows = [
        payload
        | {name: datetime.fromisoformat(str(payload[name])) for name in ("bar_time", "event_time")}
        | {"event_id": f"{payload['symbol']}-{at}", "no_trade": False, "source": BAR_SOURCE}
        | {"ingested_at": begun, "event_month": str(payload["bar_time"])[:7]}
        for at in range(HISTORY)
        for payload in bar_payloads(bars, at)
    ]
    write(root, "silver.bars", rows)
    write(root, "gold.signals", signals)
    counts = dict.fromkeys(("rows_in", "silver", "quarantine", "duplicates"), 0)  # no event brought them
    batch = {"stream_id": "bench", "batch_id": 0, "kind": "bar", "ingested_at": begun}
    write(root, "gold.balance", [counts | batch])


def send(producer: Producer, bars: dict[str, Bars], at: int) -> None:
    """Publish a bar of every symbol, and return when Kafka has all."""
    now = datetime.now(UTC)
    for payload in bar_payloads(bars, at):
        name = f"{payload['symbol']}-{at}"
        event = Event("bar", str(payload["symbol"]), orjson.dumps(payload), name, BAR_SOURCE, now)
        producer.produce(event.topic, event.value, event.key, headers=event.headers)
    if producer.flush(30):
        raise RuntimeError("Kafka did not take the bars")


def signal_seconds(stack: Stack, bars: dict[str, Bars], rounds: int) -> list[float]:
    """Seconds until every symbol has the signal of the bar of a round. Raises TimeoutError after a minute."""
    producer = Producer({**client_config(stack.bootstrap), "acks": "all", "linger.ms": 5})
    table = DeltaTable(table_path(stack.lake_root, "gold.signals"))
    seconds = []
    arrived = 0
    for at in range(HISTORY, HISTORY + rounds):
        send(producer, bars, at)
        began = time.monotonic()
        wanted = pc.field("bar_time") == time_of(int(next(iter(bars.values())).time[at]))
        while True:
            version = table.version()
            table.update_incremental()
            if table.version() != version:
                arrived = table.to_pyarrow_dataset().count_rows(filter=wanted)
                if arrived == len(bars):
                    break
            if time.monotonic() - began > 60:
                raise TimeoutError(f"only {arrived} of {len(bars)} signals after a minute")
            time.sleep(POLL_SECONDS)
        seconds.append(time.monotonic() - began)
        time.sleep(max(0.0, ROUND_SECONDS - seconds[-1]))
    return seconds


async def dashboards(url: str, until: float, gaps: list[float]) -> None:
    """Read one socket; adds the seconds between two dashboards."""
    last: float | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(until - time.perf_counter()), connect(url, compression=None) as socket:
            async for text in socket:
                if '"type":"dashboard"' in str(text):
                    now = time.perf_counter()
                    gaps += [now - last] if last is not None else []
                    last = now


async def under_load(stack: Stack, symbols: list[str], sockets: int, seconds: float) -> dict[str, object]:
    """Orders, then dashboards, while the sockets are open."""
    gaps: list[float] = []
    until = time.perf_counter() + 2 * seconds + 4
    watching = [
        asyncio.create_task(dashboards(f"ws://127.0.0.1:{stack.api_port}/ws", until, gaps))
        for _ in range(sockets)
    ]
    await asyncio.sleep(2)
    token = stack.tokens["user"]
    order = orjson.dumps({"symbol": symbols[0], "side": "BUY", "position_size_pct": 0.001})
    orders = await load(stack.api_url, "/api/trades/execute", 4, seconds, order, token)
    own = await load(stack.api_url, "/api/dashboard", 16, seconds, token=token)
    await asyncio.gather(*watching)
    return {
        "orders": orders,
        "dashboard": own,
        "sockets": sockets,
        "dashboards_on_sockets": len(gaps),
        "gap_seconds": percentiles(gaps),
    }


def measure(
    symbols: int = 500, rounds: int = 14, sockets: int = 50, seconds: float = 10
) -> dict[str, object]:
    """Delays of signals over `rounds` bars of a minute, then `seconds` of orders and of dashboards."""
    with temporary_stack(**KNOBS) as stack:
        end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
        bars = walks(symbols, HISTORY + rounds, end)
        subprocess.run([sys.executable, "-c", CREATE_TABLES], cwd=REPO, env=stack.env, check=True)
        write_past(stack.lake_root, bars)
        with stack:
            delays = signal_seconds(stack, bars, rounds)
            figures: dict[str, object] = {
                "symbols": symbols,
                "signal_ms": in_milliseconds(delays[WARM_UP_ROUNDS:]),
            }
            return figures | asyncio.run(under_load(stack, list(bars), sockets, seconds))
