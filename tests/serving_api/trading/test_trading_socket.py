"""The socket of paper trading: dashboard and prices at a steady pace, signals and own orders as they come."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from websockets.sync.client import ClientConnection

from streaming_jobs.gold.signals import Signals
from streaming_jobs.gold.trades import Trades
from tests.conftest import Broker
from tests.lakehouse.trading.made_bars import random_bars
from tests.serving_api.live.test_sockets import opened, received, send, settled, types_of_news
from tests.support.api import ApiProcess, Environment, new_stack
from tests.support.empty_lake import copy_empty_tables
from tests.support.trading.bars_lake import bar_rows, land_batch, order_row

BARS = random_bars(71, 252)
PERSON = "operator"  # the log of orders is shared with tests whose account is `user`


@pytest.fixture
def running(broker: Broker, tmp_path: Path) -> Iterator[ApiProcess]:
    knobs = {"LUMBUNG_TRADING__WS_INTERVAL_SECONDS": "0.5", "LUMBUNG_TRADING__MIN_CONFIDENCE": "0.1"}
    stack = new_stack(tmp_path, broker, **knobs)
    with Environment(stack).entered():
        copy_empty_tables()
        land_batch(1, "bar", "silver.bars", bar_rows(BARS, 0, 251))
        Signals().refresh()
    api = ApiProcess(stack)
    yield api
    api.stop()


def test_socket_sends_dashboard_prices_signals_and_ones_own_orders(running: ApiProcess) -> None:
    with opened(running, "/ws") as client, opened(running, "/ws") as stranger:
        assert received(client, "dashboard")["data"]["simulated"] is True
        (price,) = received(client, "market_prices")["data"]["items"]
        assert price["price"] == BARS.close[250]
        with Environment(running.stack).entered():
            land_batch(2, "bar", "silver.bars", bar_rows(BARS, 251, 252))
            Signals().refresh()
        signal = received(client, "signal")
        assert (signal["channel"], signal["data"]["symbol"]) == ("signals", "COIN")
        follow_trades(running, client)
        body = orjson.dumps({"symbol": "COIN", "side": "BUY", "quantity": 1000})
        decision = running.post("/api/trades/execute", body, PERSON).json()
        trade = received(client, "trade")
        assert (trade["channel"], trade["data"]["trade_id"]) == ("trades", decision["trade_id"])
        assert "trade" not in types_of_news(stranger)


def test_fill_reaches_a_person_who_follows_nothing_but_trades(running: ApiProcess) -> None:
    with opened(running, "/ws/prices") as client:
        follow_trades(running, client)
        body = orjson.dumps({"symbol": "COIN", "side": "BUY", "position_size_pct": 1})
        order = running.post("/api/trades/execute", body, PERSON).json()
        assert received(client, "trade")["data"]["status"] == "ACCEPTED"
        (bar,) = bar_rows(BARS, 250, 251)
        row = order_row(order["trade_id"], "BUY", order["quantity"], bar, account=PERSON)
        with Environment(running.stack).entered():
            land_batch(2, "order", "silver.orders", [row])
            land_batch(3, "bar", "silver.bars", bar_rows(BARS, 251, 252))
            Trades().refresh()
        fill = received(client, "trade")["data"]
        assert (fill["trade_id"], fill["status"]) == (order["trade_id"], "EXECUTED")


def follow_trades(running: ApiProcess, client: ClientConnection) -> None:
    """Subscribe to the orders of PERSON."""
    ticket = running.post("/api/v1/ws/ticket", b"", PERSON).json()["ticket"]
    send(client, type="auth", ticket=ticket)
    received(client, "authenticated")
    send(client, type="subscribe", channel="trades")
    settled(client)
