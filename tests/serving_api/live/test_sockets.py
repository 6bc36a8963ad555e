"""WebSockets of a running API, with the client of the library websockets."""

import asyncio
import itertools
import math
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection as AsyncClient
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lakehouse.impact import FACTORS
from lakehouse.reference import commodities
from scripts.bench.api_lake import write
from tests.conftest import Broker
from tests.support.api import ApiProcess, new_stack
from tests.support.served_lake import ALERTS, NOW, alert, fill, price
from tests.support.waiting import eventually

SECONDS = 60
PATHS = ("/ws/prices", "/api/alerts/ws", "/ws")
PUBLIC = ["prices", "alerts", "dashboard", "market_prices", "tables", "signals", "house_trades"]


@pytest.fixture(scope="module")
def running(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    stack = new_stack(tmp_path_factory.mktemp("live"), broker)
    fill(stack.lake_root)
    write(stack.lake_root, "gold.impact_factors", [measured_week()])
    api = ApiProcess(stack)
    yield api
    api.stop()


def opened(api: ApiProcess, path: str = "/ws/prices", **more: Any) -> ClientConnection:
    address = api.stack.api_url.replace("http", "ws") + path
    return connect(address, compression=None, open_timeout=SECONDS, **more)


def received(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type; heartbeats and others before it are skipped."""
    while True:
        message = orjson.loads(client.recv(timeout=SECONDS))
        if message["type"] == kind:
            return message


def types_of_news(client: ClientConnection) -> list[str]:
    """Types of the messages that a client gets for all that another client has got a message for.

    A reply comes before the changes of the same turn: the second reply comes after them.
    """
    kinds: list[str] = []
    for _ in range(2):
        send(client, type="unknown")
        while (message := orjson.loads(client.recv(timeout=SECONDS)))["type"] != "error":
            kinds.append(message["type"])
    return kinds


def send(client: ClientConnection, **message: Any) -> None:
    client.send(orjson.dumps(message).decode())


def settled(client: ClientConnection) -> None:
    """Wait until the messages sent so far were carried out."""
    send(client, type="unknown")
    received(client, "error")


def measured_week() -> dict[str, Any]:
    """A row of gold.impact_factors: the price rises by its usual large size, three quarters by season."""
    return {
        "commodity": "bawang-merah",
        "region_code": "32",
        "region": "Jawa Barat",
        "market_date": NOW.date(),
        "change": 0.1,
        "scale": 0.1,
        **dict.fromkeys(FACTORS, 0.0),
        "musim": 0.06,
        "cuaca": -0.02,
        "unavailable": ["hama"],
        "prices_version": 4,
        "measured_at": NOW,
    }


NUMBER = itertools.count(1)


def report(
    api: ApiProcess, market: str = "PASAR-001", commodity: str = "garam", idr: float = 12_000.0, **more: Any
) -> None:
    """A new version of gold.live_prices with one more price."""
    name = f"live-{next(NUMBER)}"
    later = NOW + timedelta(seconds=next(NUMBER))
    row = (
        price(name, market, commodity, timedelta(), idr) | {"event_time": later, "provider": "market"} | more
    )
    write(api.stack.lake_root, "gold.live_prices", [row])


@pytest.mark.parametrize("path", PATHS)
def test_first_message_is_hello(running: ApiProcess, path: str):
    with opened(running, path) as client:
        hello = orjson.loads(client.recv(timeout=SECONDS))
    assert (hello["type"], hello["seq"], hello["channel"]) == ("hello", 0, "system")
    data = hello["data"]
    assert data["channels"] == PUBLIC
    assert (data["heartbeat_seconds"], data["resume_seconds"]) == (20, 300) and data["session"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("query", "origin", "status", "problem"),
    [
        ("?token=abc", None, 400, "socket-parameter"),
        ("?commodity=", None, 400, "socket-parameter"),
        ("?commodity=batu", None, 404, "unknown-commodity"),
        ("?region=Atlantis", None, 404, "unknown-region"),
        ("", "https://evil.example", 403, "forbidden"),
        ("", "null", 403, "forbidden"),
    ],
)
def test_handshake_is_refused_with_a_problem(
    running: ApiProcess, path: str, query: str, origin: str | None, status: int, problem: str
):
    with pytest.raises(InvalidStatus) as refused:
        opened(running, path + query, origin=origin)
    assert refused.value.response.status_code == status
    assert orjson.loads(refused.value.response.body)["type"] == f"/problems/{problem}"


def test_own_origin_is_accepted(running: ApiProcess):
    with opened(running, origin=running.stack.api_url) as client:
        assert received(client, "hello")


@pytest.mark.parametrize(
    "bad", ["not json", "[]", '{"type": "auth"}', '{"type":"subscribe","channel":"trades"}']
)
def test_bad_message_is_answered_and_does_not_close(running: ApiProcess, bad: str):
    with opened(running) as client:
        client.send(bad)
        first = received(client, "error")
        assert first["data"]["type"].startswith("/problems/") and first["channel"] == "system"
        client.send(bad)
        assert received(client, "error")["seq"] == first["seq"] + 1


def test_price_is_pushed_to_matching_filters_only(running: ApiProcess):
    with (
        opened(running, "/ws/prices?commodity=garam") as salt,
        opened(running, "/ws/prices?region=Aceh") as aceh,
    ):
        settled(salt)
        settled(aceh)
        report(running, idr=12_345.0)
        message = received(salt, "price_update")
        assert (message["seq"], message["channel"]) == (1, "prices")
        assert message["data"] | {"event_time": ""} == {
            "market_id": "PASAR-001",
            "commodity": "garam",
            "price_idr": 12_345.0,
            "unit": "kg",
            "event_time": "",
            "provisional": False,
            "impact": None,
        }
        assert "price_update" not in types_of_news(aceh)
        send(aceh, type="subscribe", channel="prices", filter={"commodity": "garam"}, batch=True)
        settled(aceh)
        report(running, idr=12_346.0)
        assert [row["price_idr"] for row in received(aceh, "price_updates")["data"]] == [12_346.0]
        assert received(salt, "price_update")["seq"] == 2


def test_price_is_pushed_with_its_impact(running: ApiProcess):
    with opened(running, "/ws/prices?commodity=bawang-merah") as client:
        settled(client)
        report(running, "PASAR-001", "bawang-merah", 40_000 * math.exp(0.1), previous_price_idr=40_000.0)
        data = received(client, "price_update")["data"]
    impact = data["impact"]
    assert impact["impact_score"] == pytest.approx(50) and impact["dominant_factor"] == "musim"
    weights = dict.fromkeys(FACTORS, 0.0) | {"musim": 75.0, "cuaca": 25.0}
    assert impact["factors_with_weights"] == pytest.approx(weights)


def test_unsubscribed_channel_is_silent(running: ApiProcess):
    with opened(running) as client, opened(running) as subscribed:
        send(client, type="unsubscribe", channel="prices")
        settled(client)
        settled(subscribed)
        report(running)
        received(subscribed, "price_update")
        assert "price_update" not in types_of_news(client)


def test_resumed_client_gets_what_it_missed_once(running: ApiProcess):
    with opened(running, "/ws/prices?commodity=garam") as other:
        with opened(running, "/ws/prices?commodity=garam") as client:
            session = received(client, "hello")["data"]["session"]
            settled(client)
            settled(other)
            report(running, idr=1_000.0)
            last = received(client, "price_update")["seq"]
            received(other, "price_update")
        report(running, idr=2_000.0)
        assert received(other, "price_update")["data"]["price_idr"] == 2_000.0
    with opened(running, "/ws/prices?commodity=garam") as client:
        send(client, type="resume", channel="prices", last_seq=last, session=session)
        assert received(client, "price_update")["data"]["price_idr"] == 2_000.0
        assert "price_update" not in types_of_news(client)


def test_new_version_of_a_table_that_follows_others_is_pushed(running: ApiProcess):
    with opened(running) as client:
        send(client, type="subscribe", channel="tables")
        settled(client)
        versions = []
        for _ in range(2):
            write(running.stack.lake_root, "gold.indicators", [])
            versions.append(received(client, "tables")["data"]["gold.indicators"])
        assert versions[0] < versions[1]


def test_unknown_session_is_reset_and_gets_everything(running: ApiProcess):
    with opened(running) as client:
        send(client, type="resume", channel="prices", last_seq=7)
        send(client, type="resume", channel="alerts", last_seq=7)
        resets, kinds = [], {}
        while not {"price_update", "alert"} <= kinds.keys():  # prices may come before the second reset
            message = orjson.loads(client.recv(timeout=SECONDS))
            kinds.setdefault(message["type"], message["data"])
            if message["type"] == "reset":
                resets.append(message["data"]["channel"])
        assert resets == ["prices", "alerts"]
        assert kinds["alert"]["alert_id"] in {row["alert_id"] for row in ALERTS}


def test_raised_alert_is_pushed_at_once_in_the_language_of_the_client(running: ApiProcess):
    english = opened(running, "/api/alerts/ws", additional_headers={"Accept-Language": "en"})
    indonesian = opened(running, "/api/alerts/ws", additional_headers={"Accept-Language": "id"})
    with english, indonesian:
        settled(english)
        settled(indonesian)
        body = orjson.dumps({"commodity": "garam", "level": "siaga", "message": "gudang kosong"})
        alert_id = running.post("/api/alerts/trigger", body).json()["alert_id"]
        message = received(english, "alert")
        assert message["data"]["alert_id"] == alert_id and message["data"]["state"] == "active"
        received(indonesian, "alert")
        texts = {"message": "rises", "message_indonesian": "naik"}
        write(running.stack.lake_root, "gold.alerts", [alert("al-live", timedelta(), **texts)])
        assert received(english, "alert")["data"]["message"] == "rises"
        assert received(indonesian, "alert")["data"]["message"] == "naik"


def test_client_that_sends_too_much_is_closed(running: ApiProcess):
    with opened(running) as flooding, opened(running) as oversized:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(500):
                send(flooding, type="unsubscribe", channel="alerts")
            while True:
                flooding.recv(timeout=SECONDS)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        with pytest.raises(ConnectionClosed) as closed:
            oversized.send("x" * 70_000)
            while True:
                oversized.recv(timeout=SECONDS)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_clients_are_counted(running: ApiProcess):
    with opened(running) as client:
        received(client, "hello")
        assert open_sockets(running) >= 1


def test_of_a_flood_of_handshakes_as_many_are_accepted_as_may_be_open(broker: Broker, tmp_path: Path):
    api = ApiProcess(new_stack(tmp_path, broker, LUMBUNG_API__MAX_WEBSOCKETS="5"))
    address = api.stack.api_url.replace("http", "ws") + "/ws/prices"

    async def flood() -> list[int]:
        options = {"compression": None, "proxy": None, "open_timeout": SECONDS}
        attempts = [connect_async(address, **options) for _ in range(40)]
        answers = await asyncio.gather(*attempts, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, AsyncClient):
                await answer.close()
        return [answer.response.status_code for answer in answers if isinstance(answer, InvalidStatus)]

    try:
        assert asyncio.run(flood()) == [503] * 35
    finally:
        api.stop()


def test_address_has_a_bounded_number_of_sockets_and_the_others_keep_theirs(broker: Broker, tmp_path: Path):
    knobs = {
        "LUMBUNG_LIMITS__ENFORCED": "true",
        "LUMBUNG_LIMITS__WEBSOCKETS_PER_ADDRESS": "2",
        "LUMBUNG_LIMITS__TRUSTED_PROXIES": '["127.0.0.0/8"]',
    }
    api = ApiProcess(new_stack(tmp_path, broker, **knobs))
    stranger, other = ({"X-Forwarded-For": address} for address in ("203.0.113.1", "203.0.113.2"))
    try:
        with opened(api, additional_headers=stranger) as first:
            for path in PATHS[1:]:
                with opened(api, path, additional_headers=stranger) as second:
                    settled(second)
                    with pytest.raises(InvalidStatus) as refusal:
                        opened(api, additional_headers=stranger)
                    assert refusal.value.response.status_code == 429
                    assert refusal.value.response.headers["retry-after"] == "5"
                    problem = orjson.loads(refusal.value.response.body or b"")
                    assert problem["type"] == "/problems/too-many-own-sockets"
                    with opened(api, additional_headers=other) as third:
                        settled(third)
                eventually(lambda: open_sockets(api) == 1)
            settled(first)
    finally:
        api.stop()


def test_handshakes_count_as_requests_of_their_address(broker: Broker, tmp_path: Path):
    knobs = {"LUMBUNG_LIMITS__ENFORCED": "true", "LUMBUNG_LIMITS__ANONYMOUS_PER_MINUTE": "3"}
    api = ApiProcess(new_stack(tmp_path, broker, **knobs))
    try:
        before = int(api.get("/livez").headers["ratelimit"].split(";r=")[1].split(";")[0])
        for _ in range(before):
            opened(api).close()
        with pytest.raises(InvalidStatus) as refusal:
            opened(api)
        assert refusal.value.response.status_code == api.get("/livez").status_code == 429
        assert int(refusal.value.response.headers["retry-after"]) > 0
    finally:
        api.stop()


@pytest.mark.slow
def test_client_that_reads_nothing_is_closed_and_the_others_feel_nothing(running: ApiProcess):
    """It takes 15 s until it counts as slow; the others get every newest price meanwhile."""
    with opened(running) as reading, socket_without_reader(running) as silent:
        settled(reading)

        def is_dropped_after_more_prices() -> bool:
            idr = 20_000.0 + next(NUMBER)
            rows = [
                price(f"wide-{next(NUMBER)}", market, commodity, timedelta(), idr)
                | {"event_time": NOW + timedelta(seconds=next(NUMBER))}
                for market in ("PASAR-001", "PASAR-002", "PASAR-003")
                for commodity in commodities()
            ]
            write(running.stack.lake_root, "gold.live_prices", rows)
            while received(reading, "price_update")["data"]["price_idr"] != idr:
                pass
            return dropped(running) > 0

        eventually(is_dropped_after_more_prices, seconds=300)
        assert silent.fileno() >= 0


def metric(api: ApiProcess, name: str) -> float:
    lines = api.get("/metrics", "admin").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def open_sockets(api: ApiProcess) -> float:
    return metric(api, "lumbung_ws_clients")


def dropped(api: ApiProcess) -> float:
    return metric(api, "lumbung_ws_dropped_total")


def socket_without_reader(api: ApiProcess) -> socket.socket:
    """A connection that shakes hands and then reads nothing, with a small buffer."""
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    silent.connect(("127.0.0.1", api.stack.api_port))
    silent.sendall(
        b"GET /ws/prices HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    return silent
