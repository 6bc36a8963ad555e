"""Bars of an exchange: closed ones only, in the order of their time, from REST and from its WebSocket.

The stream takes a bar that is older than the newest one of its series for a fault. So a bar of the WebSocket
is sent only when it follows the newest bar that was sent; after a gap REST fills it first.

The cursor holds the begin of the newest bar of each symbol, in epoch milliseconds.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from conf.settings import settings
from lakehouse.times import utc_text
from lakehouse.trading.bars import INTERVALS
from producers.collectors import source

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

STEP_MS = {interval: length // timedelta(milliseconds=1) for interval, length in INTERVALS.items()}
QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "EUR", "IDR", "BTC", "ETH", "BNB")
PAGE_ROWS = 1000
FIRST_BARS = 500  # of a symbol that is collected for the first time
LATEST_MS = 253_370_764_800_000  # the year 9999
FIELDS = ("bar_time", "open", "high", "low", "close", "volume")  # the first ones of a row
STREAM_FIELDS = ("t", "o", "h", "l", "c", "v")  # of a bar in the WebSocket
BURST_SECONDS = 0.2  # bars of many symbols close together: they are stored together
SILENT_SECONDS = 60.0  # without a message: a poll shows whether bars were missed
MOST_MESSAGES = 1000
LARGEST_MESSAGE = 1 << 20
NEEDS = ("collectors.market_url",)


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """The bars of each symbol after its newest one, oldest first."""
    knobs = settings().collectors
    url = f"{knobs.market_url.rstrip('/')}/api/v3/klines"
    after = dict(cursor)
    for symbol in knobs.market_symbols:
        while True:
            start = {"startTime": str(after[symbol] + 1)} if symbol in after else {}
            limit = PAGE_ROWS if start else FIRST_BARS
            params = {"symbol": symbol, "interval": knobs.market_interval, "limit": str(limit), **start}
            answer = await fetch.get(f"{symbol} {knobs.market_interval}", url, params)
            if answer is None:
                break
            yield source.SourcePage(answer, None)
            times = [bar_begin(row) for row in closed_rows(answer)]
            after = after | ({symbol: max(times)} if times else {})
            yield source.SourcePage(None, after)
            if len(times) < PAGE_ROWS:
                break


def items(answer: source.Answer) -> list[source.Item]:
    """The closed bars of an answer."""
    symbol, interval = answer.name.split()
    return [bar_item(symbol, interval, row) for row in closed_rows(answer)]


def stream_url() -> str | None:
    """The address of the WebSocket with the bars of all symbols; None without one."""
    knobs = settings().collectors
    names = "/".join(f"{symbol.lower()}@kline_{knobs.market_interval}" for symbol in knobs.market_symbols)
    base = knobs.market_stream_url.rstrip("/")
    return f"{base}/stream?streams={names}" if base else None


async def follow(
    url: str, cursor: Callable[[], source.Cursor]
) -> AsyncGenerator[source.SourcePage | None, None]:
    """Bars as they close; None when others may be missing before them: a poll must come first.

    Raises WebSocketException, OSError and TimeoutError when the connection fails.
    """
    from websockets.asyncio.client import connect  # only when it is used: commands list the sources

    seconds = settings().collectors.request_seconds
    async with connect(url, max_size=LARGEST_MESSAGE, open_timeout=seconds) as socket:
        while True:
            messages = await burst(socket)
            bars = closed_bars(messages)
            if not messages or gaps(bars, cursor()):
                yield None
            for page in pages_of(bars, cursor()):
                yield page


async def burst(socket: "ClientConnection") -> list[str | bytes]:
    """The next message, and those that follow it at once; none when a poll is due before."""
    messages: list[str | bytes] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(SILENT_SECONDS):
            messages.append(await socket.recv())
        async with asyncio.timeout(BURST_SECONDS):
            while len(messages) < MOST_MESSAGES:
                messages.append(await socket.recv())
    return messages


def closed_bars(messages: list[str | bytes]) -> dict[str, list[list[Any]]]:
    """Name of the answer -> rows of closed bars of our symbols, as REST gives them. Raises ShapeChanged."""
    knobs = settings().collectors
    bars: dict[str, list[list[Any]]] = {}
    for message in messages:
        try:
            bar = orjson.loads(message)["data"]["k"]
            is_ours = bar["s"] in knobs.market_symbols and bar["i"] == knobs.market_interval
            if bar["x"] is True and is_ours:
                bars.setdefault(f"{bar['s']} {bar['i']}", []).append(
                    [bar.get(name) for name in STREAM_FIELDS]
                )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise source.ShapeChanged("a message of the WebSocket is not a bar") from None
    return {name: sorted(rows, key=bar_begin) for name, rows in bars.items()}


def gaps(bars: dict[str, list[list[Any]]], cursor: source.Cursor) -> bool:
    """Whether a bar does not follow the newest one of its symbol."""
    following = (next_begin(name, cursor) for name in bars)
    return any(
        begin is None or bar_begin(rows[0]) > begin
        for begin, rows in zip(following, bars.values(), strict=True)
    )


def pages_of(bars: dict[str, list[list[Any]]], cursor: source.Cursor) -> list[source.SourcePage]:
    """Pages of the bars that follow the newest ones without a gap; the last one has the cursor after all."""
    after = dict(cursor)
    answers = []
    for name, rows in bars.items():
        new = []
        for row in rows:
            if bar_begin(row) == next_begin(name, after):
                new.append(row)
                after[name.split()[0]] = bar_begin(row)
        if new:
            end = datetime.fromtimestamp((next_begin(name, after) or 0) / 1000, UTC)
            received_at = max(datetime.now(UTC), end)  # the exchange has closed the bar: our clock is behind
            answers.append(source.Answer(name, orjson.dumps(new), received_at))
    return [source.SourcePage(answer, after if answer is answers[-1] else None) for answer in answers]


def next_begin(name: str, cursor: source.Cursor) -> int | None:
    """Begin of the bar after the newest one of the symbol, epoch ms; None before its first bar."""
    symbol, interval = name.split()
    newest: int | None = cursor.get(symbol)
    return None if newest is None else newest + STEP_MS[interval]


def closed_rows(answer: source.Answer) -> list[list[Any]]:
    """The rows of bars that are over by both clocks, oldest first. Raises ShapeChanged."""
    rows = answer.json()
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) >= len(FIELDS) for r in rows):
        raise source.ShapeChanged("the answer is not a list of bars")
    step = STEP_MS[answer.name.split()[1]]
    end = answer.now.timestamp() * 1000
    return sorted((row for row in rows if bar_begin(row) + step <= end), key=bar_begin)


def bar_begin(row: list[Any]) -> int:
    """Epoch milliseconds. Raises ShapeChanged."""
    begin = row[0]
    if isinstance(begin, bool) or not isinstance(begin, int) or not 0 <= begin <= LATEST_MS:
        raise source.ShapeChanged("the time of a bar is not in epoch milliseconds")
    return begin


def bar_item(symbol: str, interval: str, row: list[Any]) -> source.Item:
    """A bar as an event, known when it is over."""
    begin = bar_begin(row)
    end = begin + STEP_MS[interval]
    begin_text, end_text = (utc_text(datetime.fromtimestamp(ms / 1000, UTC)) for ms in (begin, end))
    numbers = {
        name: source.number_of(value) for name, value in zip(FIELDS[1:], row[1 : len(FIELDS)], strict=True)
    }
    payload: source.Payload = {
        "symbol": symbol,
        "asset_class": "crypto",
        "interval": interval,
        "bar_time": begin_text,
        "event_time": end_text,
        "currency": next((quote for quote in QUOTES if symbol.endswith(quote)), None),
        "final": True,
        **numbers,
    }
    return source.Item(source.row_id(symbol, interval, begin), source.without_missing(payload))
