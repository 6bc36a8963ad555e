"""Paper trading over HTTP: decided at once under the limits, logged in Kafka, filled by the next bar."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import orjson
import pyarrow as pa
import pytest

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.event import faults
from lakehouse.io.delta import read_rows
from lakehouse.times import parse_time
from lakehouse.trading.bars import INTERVALS, Bars
from lakehouse.trading.books import NEWEST_ACCEPTED, AccountTerms, Book
from lakehouse.trading.limits import Limits, ProposedOrder, violations
from lakehouse.trading.market_terms import CRYPTO
from serving_api.http.idempotency_store import KeptResponses
from serving_api.reads.snapshots import Snapshots, empty_snapshot
from serving_api.reads.trading.accounts import PORTFOLIO, account_state, locks, not_in_table
from serving_api.reads.trading.market import TABLE as BARS_LIVE
from serving_api.reads.trading.market import is_stale
from streaming_jobs.gold.ledger import LedgerJob
from streaming_jobs.gold.signals import Signals
from streaming_jobs.gold.trades import Trades
from tests.conftest import Broker
from tests.lakehouse.trading.made_bars import BEGIN, paper_bar, random_bars
from tests.support.api import Api, ApiProcess, Environment, new_stack
from tests.support.empty_lake import copy_empty_tables
from tests.support.trading.bars_lake import bar_rows, land_batch, order_row

BARS = random_bars(61, 261)
# No trading day ends while a test runs.
MIDDAY = {"LUMBUNG_TRADING__DAY_HOURS": str(12 - datetime.now(UTC).hour)}
EXECUTE = "/api/trades/execute"
TOPIC = "lumbung.order"


@dataclass
class Market:
    """A lake with 260 bars of COIN and their signals, an API on it, and the log of its orders."""

    api: Api
    broker: Broker
    before: dict[tuple[str, int], int]
    symbol: str  # of this test alone: the broker keeps the orders of the others
    batch: int = 1
    logged: int = 0
    account: str = "user"

    def order(self, **fields: Any) -> Any:
        body = {"symbol": self.symbol.lower(), "side": "BUY"} | fields
        return self.api.post(EXECUTE, orjson.dumps(body), self.account)

    def decided(self, **fields: Any) -> dict[str, Any]:
        response = self.order(**fields)
        assert response.status_code == 201, response.text
        body: dict[str, Any] = response.json()
        return body

    def take_log(self, count: int) -> list[dict[str, Any]]:
        """Land the logged orders in silver and refresh gold, as the stream and its jobs do."""
        records = self.broker.records(self.before, TOPIC, self.logged + count)[self.logged :]
        self.logged += count
        payloads = [orjson.loads(record.value()) for record in records]
        for payload in payloads:
            assert faults(payload, ["order"]) == []
        self.batch += 1
        with Environment(self.api.stack).entered():
            land_batch(self.batch, "order", "silver.orders", [silver_row(each) for each in payloads])
            Trades().refresh()
        return payloads

    def close_bar(self, bars: Bars, at: int) -> None:
        self.batch += 1
        with Environment(self.api.stack).entered():
            land_batch(self.batch, "bar", "silver.bars", bar_rows(bars, at, at + 1, self.symbol))
            Signals().refresh()
            Trades().refresh()

    def refresh(self) -> None:
        """Serve the newest tables, without waiting for the thread that follows them."""
        with Environment(self.api.stack).entered():
            self.api.shared(Snapshots).refresh()


def silver_row(payload: dict[str, Any]) -> dict[str, Any]:
    times = {name: parse_time(payload[name]) for name in ("bar_time", "decided_at", "event_time")}
    more = {"validation": orjson.dumps(payload["validation"]).decode(), "topic": TOPIC}
    return payload | times | more | {"event_month": payload["event_time"][:7], "partition": 0, "offset": 0}


def new_market(broker: Broker, home: Path, kind: type[Api]) -> Market:
    stack = new_stack(home, broker, LUMBUNG_TRADING__MIN_CONFIDENCE="0.1", **MIDDAY)
    with Environment(stack).entered():
        copy_empty_tables()
        symbol = f"C{uuid.uuid4().hex[:8]}".upper()
        land_batch(1, "bar", "silver.bars", bar_rows(BARS, 0, 260, symbol))
        Signals().refresh()
    return Market(kind(stack), broker, broker.ends(), symbol)


@pytest.fixture
def market(broker: Broker, tmp_path: Path) -> Iterator[Market]:
    opened = new_market(broker, tmp_path, Api)
    yield opened
    opened.api.stop()


@pytest.fixture(scope="module")
def market_without_orders(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """For tests that are refused before anything is decided."""
    opened = new_market(broker, tmp_path_factory.mktemp("market"), Api)
    yield opened
    opened.api.stop()


def test_order_that_is_carried_out_again_under_its_key_is_the_same_order(market: Market) -> None:
    def trade_id(key: str) -> str:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        body = orjson.dumps({"symbol": market.symbol, "side": "BUY", "position_size_pct": 1})
        response = market.api.request("POST", EXECUTE, "operator", content=body, headers=headers)
        assert "idempotency-replayed" not in response.headers
        return str(response.json()["trade_id"])

    first = trade_id("order")
    market.api.shared(KeptResponses)._db.execute(
        "delete from answers"
    )  # as if its process had died within it
    assert trade_id("order") == first != trade_id("another")
    assert len(market.take_log(2)) == 2


def test_order_is_decided_logged_and_filled_by_the_next_bar(market: Market) -> None:
    decision = market.decided(position_size_pct=1, client_order_id=market.symbol)
    assert (decision["status"], decision["oracle"], decision["price"]) == ("ACCEPTED", "VERIFIED", None)
    assert decision["quantity"] * BARS.close[259] == pytest.approx(100, rel=1e-6)
    assert market.decided(position_size_pct=1, client_order_id=market.symbol) == decision
    assert [item["trade_id"] for item in history_of(market)] == [decision["trade_id"]], (
        "shown before the tables have it"
    )
    assert market.api.get(f"/api/trades/history?symbol={market.symbol}").json()["items"] == [], (
        "an order is its owner's alone"
    )
    (part,) = market.api.get("/api/dashboard", "user").json()["waiting"]
    assert (part["symbol"], part["side"]) == (market.symbol, "BUY"), "gauges of an order count it at once"
    assert part["market_value"] == pytest.approx(100, abs=0.01)
    market.take_log(1)
    market.close_bar(BARS, 260)
    market.refresh()
    (item,) = history_of(market)
    assert item["status"] == "EXECUTED"
    assert item["price"] == pytest.approx(BARS.open[260] * 1.0005)
    dashboard = market.api.get("/api/dashboard", "user").json()
    assert dashboard["positions"][0]["symbol"] == market.symbol
    assert dashboard["simulated"] is True and dashboard["waiting"] == []
    held = dashboard["buy_and_hold"]
    paid = BARS.open[260] * 1.0005 * 1.001
    assert held["pnl"] == pytest.approx(10_000 * (BARS.close[260] / paid - 1), abs=1)
    assert [each["symbol"] for each in held["symbols"]] == [market.symbol]
    assert parse_time(held["since"]) == parse_time(item["executed_at"])
    house = market.api.get("/api/dashboard").json()
    assert (house["balance"], house["positions"], house["buy_and_hold"]) == (10_000.0, [], None)
    block = recorded(market)
    assert block["trade"] == {name: decision[name] for name in ("trade_id", "symbol", "side")} | {
        "status": "ACCEPTED"
    }
    assert history_of(market)[0]["block_hash"] == block["block_hash"] != block["previous_hash"]


def history_of(market: Market) -> list[dict[str, Any]]:
    items: list[dict[str, Any]]
    items = market.api.get(f"/api/trades/history?symbol={market.symbol}", "user").json()["items"]
    return items


def recorded(market: Market) -> dict[str, Any]:
    """The only block about an order of this coin, once the ledger job has run."""
    with Environment(market.api.stack).entered():
        LedgerJob().refresh()
    market.refresh()
    records = market.api.get(f"/api/smartcontract/records?symbol={market.symbol}").json()
    (block,) = records["items"]
    assert market.api.get("/api/smartcontract/records?symbol=NOSUCH").status_code == 404
    with Environment(market.api.stack).entered():
        (stored,) = [row for row in read_rows("gold.ledger").to_pylist() if row["chain"] == "trade"]
    hashes = {"block_hash": stored["hash"], "previous_hash": stored["previous_hash"]}
    assert {name: block[name] for name in hashes} == hashes
    item: dict[str, Any] = block
    return item


def test_refusal_names_every_broken_limit_and_is_recorded(market: Market) -> None:
    decision = market.decided(position_size_pct=100, stop_price=0.01)
    assert decision["status"] == "REJECTED"
    rules = [each["rule"] for each in decision["validation"]["violations"]]
    assert rules == ["max_position_size_pct", "cash"]
    (payload,) = market.take_log(1)
    assert payload["validation"] == decision["validation"]
    assert payload["stop_price"] == 0.01
    (item,) = history_of(market)
    assert (item["oracle"], item["violations"]) == ("VERIFIED", decision["validation"]["violations"])
    sale = market.decided(side="SELL", quantity=1)
    assert [each["rule"] for each in sale["validation"]["violations"]] == [
        "max_position_size_pct",
        "holding",
    ][1:]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOSUCH"}, "unknown_symbol"),
        ({"signal_id": "none"}, "unknown_signal"),
        ({"quantity": 1, "position_size_pct": 1}, "body_fits"),
        ({"side": "HOLD"}, "side_known"),
        ({"confidence": 1.0}, "field_unknown"),
        ({"stop_price": 1e9}, "exit_level"),
        ({"take_profit_price": 0.01}, "exit_level"),
        ({"side": "SELL", "stop_price": 0.01}, "exit_level"),
    ],
)
def test_order_that_cannot_be_decided_is_refused_with_its_reason(
    market_without_orders: Market, fields: dict[str, Any], code: str
) -> None:
    response = market_without_orders.order(**fields)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["code"] == code


def test_parallel_orders_keep_the_limits_also_after_kill(broker: Broker, tmp_path: Path) -> None:
    market = new_market(broker, tmp_path, ApiProcess)
    market.account = "admin"  # of this test alone: it uses up the orders of a day
    api = market.api
    assert isinstance(api, ApiProcess)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: market.decided(position_size_pct=1.5), range(24)))
    accepted = [answer for answer in answers if answer["status"] == "ACCEPTED"]
    assert len(accepted) == 13, "13 × 1.5 % is the most within 20 %"
    api.process.kill()
    api.process.wait()
    api.start()
    assert market.decided(position_size_pct=1.5)["status"] == "REJECTED"
    assert market.decided(position_size_pct=0.4)["status"] == "ACCEPTED"
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: market.decided(position_size_pct=0.001), range(200)))
    refused = [answer for answer in answers if answer["status"] == "REJECTED"]
    assert len(answers) - len(refused) == 50 - 14, "50 orders a trading day"
    rules = {each["rule"] for answer in refused for each in answer["validation"]["violations"]}
    assert rules == {"max_daily_trades"}
    assert len(market.take_log(226)) == 226, "every decision is in the log"
    api.stop()


def test_stale_market_decides_nothing(market: Market) -> None:
    late = bar_rows(BARS, 259, 260, symbol="OTHER")[0]
    later = {name: late[name] + timedelta(days=5) for name in ("bar_time", "event_time")}
    with Environment(market.api.stack).entered():
        land_batch(9, "bar", "silver.bars", [late | later])
        Signals().refresh()
    market.refresh()
    response = market.order(position_size_pct=1)
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/stale-market"
    assert "Retry-After" in response.headers


@pytest.mark.parametrize(
    ("interval", "latest"),
    [
        ("1m", timedelta(minutes=3)),
        ("15m", timedelta(minutes=45)),
        ("1d", timedelta(days=3)),
    ],
)
def test_market_is_stale_after_three_intervals(interval: str, latest: timedelta) -> None:
    row = {"feed": "market", "asset_class": "crypto", "interval": interval, "bar_time": BEGIN}
    closed = BEGIN + INTERVALS[interval]
    bars = empty_snapshot("gold.bars_live")
    assert not is_stale(bars, row, closed + latest)
    assert is_stale(bars, row, closed + latest + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("interval", "bar_time", "current", "stale"),
    [
        ("1d", "2024-12-20T00:00Z", "2024-12-27T14:00Z", "2024-12-30T14:00Z"),  # week-end and Christmas
        ("15m", "2024-12-20T15:45-05:00", "2024-12-23T10:29-05:00", "2024-12-23T10:30-05:00"),
    ],
)
def test_market_of_shares_is_stale_after_three_intervals_of_its_sessions(
    interval: str, bar_time: str, current: str, stale: str
) -> None:
    begin = datetime.fromisoformat(bar_time)
    about = {"feed": "market", "asset_class": "equity", "currency": "USD", "interval": interval}
    bars = empty_snapshot("gold.bars_live")
    assert not is_stale(bars, about | {"bar_time": begin}, datetime.fromisoformat(current))
    assert is_stale(bars, about | {"bar_time": begin}, datetime.fromisoformat(stale))


@pytest.fixture
def day_hours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("LUMBUNG_TRADING__DAY_HOURS", str(request.param))
    settings.cache_clear()
    yield request.param
    settings.cache_clear()


@pytest.mark.parametrize(
    ("day_hours", "ends"),
    [(7, datetime(2026, 1, 1, 17, tzinfo=UTC)), (0, datetime(2026, 1, 2, tzinfo=UTC))],
    indirect=["day_hours"],
)
def test_what_a_day_counts_ends_with_it(day_hours: int, ends: datetime) -> None:
    book = Book("ana", AccountTerms(Decimal(10_000), day_hours))
    book.account.begin_day(ends - timedelta(hours=7))
    book.account.accepted_today = 50
    book.account.day_open_equity = Decimal(11_000)
    schema = arrow_schema(contracts()[PORTFOLIO])
    rows = pa.Table.from_pylist([book.portfolio_row()], schema=schema)
    tables = {PORTFOLIO: replace(empty_snapshot(PORTFOLIO), rows=rows), BARS_LIVE: empty_snapshot(BARS_LIVE)}
    snapshots = cast(Snapshots, tables)
    before = account_state(snapshots, "ana", [], ends - timedelta(seconds=1))
    assert (before.accepted_today, before.day_open_equity) == (50, 11_000)
    after = account_state(snapshots, "ana", [], ends)
    assert (after.accepted_today, after.day_open_equity) == (0, 10_000)


def test_losses_lock_a_symbol_and_the_day_alike_for_house_and_api() -> None:
    rows = bar_rows(BARS, 0, 3)
    book = Book("ana", AccountTerms(Decimal(10_000), 7))
    for at, side in ((0, "BUY"), (1, "SELL")):
        book.log(order_row(f"t{at}", side, 1.0, rows[at]))
    book.replay([paper_bar(day, price) for day, price in enumerate(("100", "100", "90"))])
    schema = arrow_schema(contracts()[PORTFOLIO])
    portfolio = pa.Table.from_pylist([book.portfolio_row()], schema=schema)
    tables = {PORTFOLIO: replace(empty_snapshot(PORTFOLIO), rows=portfolio)}
    snapshots = cast(Snapshots, tables | {BARS_LIVE: empty_snapshot(BARS_LIVE)})
    bars = {"COIN": {"asset_class": "crypto", "currency": "USD"}}
    buying = ProposedOrder("COIN", "BUY", Decimal(1), Decimal(80), Decimal(1))
    closed = rows[2]["bar_time"]
    limits = Limits(max_losing_trades=1)
    for days, rules in ((0, ["max_losing_trades", "symbol_locked"]), (1, ["symbol_locked"]), (6, [])):
        at = closed + timedelta(days=days)
        states = [book.account.state(at), account_state(snapshots, "ana", [], at)]
        house, api = (violations(buying, state, limits, CRYPTO) for state in states)
        assert house == api and [each.rule for each in api] == rules
        assert [lock["rule"] for lock in locks(states[1], limits, bars)] == rules
    day, symbol = locks(account_state(snapshots, "ana", [], closed), limits, bars)
    assert (day["symbol"], day["until"]) == (None, "2024-01-03T17:00:00Z")
    assert (symbol["symbol"], symbol["until"]) == ("COIN", "2024-01-09T00:00:00Z")


def test_orders_that_a_full_list_leaves_out_are_not_under_way() -> None:
    orders = [
        {"trade_id": f"t-{nth}", "decided_at": BEGIN + timedelta(seconds=nth)}
        for nth in range(NEWEST_ACCEPTED + 5)
    ]
    names = [order["trade_id"] for order in orders]
    newest = names[3 : 3 + NEWEST_ACCEPTED]
    assert [order["trade_id"] for order in not_in_table(newest, orders)] == names[-2:], (
        "the first three are in the table too"
    )
    assert [order["trade_id"] for order in not_in_table(names[1:3], orders[:4])] == [names[0], names[3]], (
        "a short list names all that the table has"
    )
