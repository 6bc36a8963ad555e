"""Bars over the WebSocket: in order, each once, and what was missed is polled first."""

import asyncio

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import WebSocketException

from producers.collectors.collector import open_collectors
from producers.collectors.sources import market
from tests.producers.collectors.conftest import SetKnobs
from tests.producers.collectors.sample_sources import bar
from tests.producers.collectors.source_server import Reply, Request, SourceServer
from tests.streaming_jobs.conftest import Stream
from tests.support.waiting import eventually_async


def message(nth: int, closed: bool = True) -> str:
    """The bar `nth` minutes before the newest closed one, as the WebSocket gives it."""
    begin, opened, high, low, close, volume, *_ = bar(nth)
    fields = {
        "t": begin,
        "s": "BTCUSDT",
        "i": "1m",
        "o": opened,
        "h": high,
        "l": low,
        "c": close,
        "v": volume,
    }
    data = {"e": "kline", "s": "BTCUSDT", "k": {**fields, "x": closed, "n": 42}}
    return orjson.dumps({"stream": "btcusdt@kline_1m", "data": data}).decode()


async def scenario(rest: SourceServer, published: list[int], knobs: SetKnobs) -> None:
    """REST knows the bars in `published`; returns when all that the socket sent was taken."""
    connections: list[ServerConnection] = []

    async def accept(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    async with serve(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        knobs(market_stream_url=f"ws://127.0.0.1:{port}")
        url = market.stream_url()
        assert url is not None and url.endswith("/stream?streams=btcusdt@kline_1m")
        async with open_collectors(["market"]) as (collector,):
            await collector.poll()
            assert collector.counts.events == 11
            following = asyncio.create_task(collector.follow(market, url))
            await eventually_async(lambda: bool(connections))
            requests = len(rest.requests)
            await connections[0].send(message(19))
            await eventually_async(lambda: collector.counts.events == 12)
            assert len(rest.requests) == requests, "a bar that follows the newest one needs no poll"
            published += [19, 18, 17, 16]
            await connections[0].send(message(16))
            await eventually_async(lambda: collector.counts.events == 15)
            assert len(rest.requests) > requests, "two bars were missed"
            for text in (message(15, closed=False), message(15), message(15), message(16)):
                await connections[0].send(text)
            await eventually_async(lambda: collector.counts.events == 16)
            await connections[0].close()
            with pytest.raises(WebSocketException):
                await following


def test_bars_of_the_socket_land_in_order_and_once(landed: Stream, knobs: SetKnobs):
    published = list(range(30, 19, -1))

    def klines(request: Request) -> Reply:
        after = int(request.query.get("startTime", 0))
        return Reply([bar(nth) for nth in published if bar(nth)[0] >= after])

    with SourceServer(klines).running() as rest:
        knobs(market_url=rest.url, market_symbols='["BTCUSDT"]')
        asyncio.run(scenario(rest, published, knobs))
    landed.run()
    rows = sorted(landed.rows("silver.bars"), key=lambda row: row["bar_time"])
    assert [int(row["bar_time"].timestamp() * 1000) for row in rows] == [bar(n)[0] for n in range(30, 14, -1)]
    assert landed.balance() == {"rows_in": 16, "silver": 16, "quarantine": 0, "duplicates": 0}
    assert not [row for row in rows if "bar_gap" in row["_warnings"]]
