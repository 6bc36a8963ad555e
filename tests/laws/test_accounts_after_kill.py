"""Killed at any point between an order and its block: no order twice, none lost, every cent accounted for.

The API is killed with SIGKILL. The stream and the jobs are left in the middle by an exception. Then they
start again as a new process would: nothing of what they had in memory is kept.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import orjson
import pytest

from lakehouse.io.delta import open_table, read_rows
from lakehouse.times import rfc3339
from lakehouse.trading.books import Book
from serving_api.reads.ledger.integrity import Verifier
from streaming_jobs.gold import ledger, signal_outcomes, signals, trades
from streaming_jobs.gold.stored_bars import stored_series
from streaming_jobs.gold.trades import account_terms, in_time
from tests.conftest import Broker
from tests.lakehouse.trading.made_bars import random_bars
from tests.streaming_jobs.conftest import Crash, Stream
from tests.support.api import ApiProcess, Environment, new_stack
from tests.support.trading.bars_lake import bar_rows
from tests.support.waiting import eventually

ROLE = "central"  # whose account no other test uses on the shared broker
BARS = random_bars(67, 290)
FIELDS = ("open", "high", "low", "close", "volume", "symbol", "asset_class", "interval", "currency", "final")
STREAM_POINTS = (
    "stream.before_bronze",
    "stream.after_bronze.events",
    "stream.after_silver.orders",
    "stream.after_silver",
    "stream.after_gold",
    "stream.after_gold.balance",
    "stream.after_counts",
)
JOBS: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (signals, ("signals.after_live", "signals.after_signals", "signals.after_verifications")),
    (trades, ("trades.before_trades", "trades.after_trades", "trades.after_portfolio")),
    (signal_outcomes, ("signal_outcomes.after_append", "signal_outcomes.after_orders")),
    (ledger, ("ledger.before_append", "ledger.after_append", "ledger.after_publish")),
)


class TradedCoin:
    """A coin with 260 bars in a lake, an API on it, and everything between the two."""

    def __init__(self, broker: Broker, home: Path) -> None:
        knobs = {"MIN_CONFIDENCE": "0.1", "DAY_HOURS": str(12 - datetime.now(UTC).hour)}  # midnight is far
        self.stack = new_stack(
            home, broker, **{f"LUMBUNG_TRADING__{name}": value for name, value in knobs.items()}
        )
        self.environment = Environment(self.stack)
        self.symbol = f"K{uuid.uuid4().hex[:8]}".upper()
        self.acknowledged: dict[str, dict[str, Any]] = {}  # trade_id -> answer
        self.at = 0
        self.api: ApiProcess | None = None
        with self.environment.entered():
            self.stream = Stream(None, broker)
            self.send_bars(260)
            self.run_all()

    def send_bars(self, count: int) -> None:
        """Put the next bars into Kafka."""
        rows = bar_rows(BARS, self.at, self.at + count, self.symbol)
        self.at += count
        payloads = [{name: row[name] for name in FIELDS} | times_of(row) for row in rows]
        self.stream.send(*map(orjson.dumps, payloads), kind="bar", source="file:test")

    def run_all(self) -> None:
        """The stream and the jobs, each as a new process."""
        self.stream.run()
        for module, _ in JOBS:
            module.JOB().refresh()

    def kill_jobs(self) -> None:
        """Each job killed at each of its points, until everything is done."""
        for module, points in JOBS:
            for point in points:
                if module is ledger and point != points[0]:
                    self.order()  # what was recorded already would not be recorded again
                    self.stream.run()
                crash(module, point, module.JOB().refresh)
                check_accounts(self)
            module.JOB().refresh()
        trades.JOB().refresh()
        check_finished(self)

    def serve(self, failpoint: str = "") -> None:
        """Start the API again, to be killed at the fail point."""
        if self.api is not None:
            self.api.process.kill()
            self.api.process.wait()
        self.stack.env["LUMBUNG_FAILPOINT"] = failpoint
        self.api = ApiProcess(self.stack)

    def order(self, **fields: Any) -> dict[str, Any]:
        """An acknowledged order. Raises TransportError when the API is killed."""
        assert self.api is not None
        size = {} if "side" in fields else {"side": "BUY", "position_size_pct": 3}
        body = orjson.dumps({"symbol": self.symbol} | size | fields)
        response = self.api.post("/api/trades/execute", body, ROLE)
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        assert self.acknowledged.setdefault(answer["trade_id"], answer) == answer
        return answer

    def wait_until_shown(self) -> None:
        """Return when the API shows the newest rows of the tables."""
        assert self.api is not None
        (row,) = account_rows()
        api = self.api
        eventually(lambda: api.get("/api/dashboard", ROLE).json()["cash"] == row["cash"])


def times_of(row: dict[str, Any]) -> dict[str, str]:
    return {name: rfc3339(row[name]) for name in ("bar_time", "event_time")}


def account_rows() -> list[dict[str, Any]]:
    return [row for row in read_rows("gold.portfolio").to_pylist() if row["account"] == ROLE]


def logged(market: TradedCoin) -> list[dict[str, Any]]:
    rows = open_table("silver.orders").to_pyarrow_table().to_pylist()
    return sorted((row for row in rows if row["account"] == ROLE), key=lambda row: row["decided_at"])


def check_accounts(market: TradedCoin) -> None:
    """What must hold whatever was killed, also while a batch is unfinished."""
    for row in account_rows():
        value = sum(round(held["market_value"], 2) for held in json.loads(row["positions"]))
        cost = sum(held["cost"] for held in json.loads(row["positions"]))
        assert round(row["cash"] + value, 2) == row["equity"]
        assert round(10_000 + row["realised_pnl"] - cost, 2) == row["cash"]
    for table in ("silver.orders", "gold.trades"):
        ids = [row["trade_id"] for row in open_table(table).to_pyarrow_table().to_pylist()]
        assert max(Counter(ids).values(), default=1) == 1, f"{table} has an order twice"
    assert Verifier(market.stack.lake_root).check("trade").valid


def check_finished(market: TradedCoin) -> None:
    """What must hold once everything ran: each order once in each table, and the account of the engine."""
    check_accounts(market)
    ids = {
        table: read_rows(table)["signal_id"].to_pylist() for table in ("gold.signals", "gold.signal_outcomes")
    }
    assert sorted(ids["gold.signal_outcomes"]) == sorted(ids["gold.signals"]), "each signal has one fate"
    orders = logged(market)
    ids = {row["trade_id"] for row in orders}
    assert set(market.acknowledged) <= ids, "an acknowledged order was lost"
    shown = [row["trade_id"] for row in read_rows("gold.trades").to_pylist() if row["account"] == ROLE]
    assert sorted(shown) == sorted(ids)
    blocks = open_table("gold.ledger").to_pyarrow_table(columns=["chain", "event_id"]).to_pylist()
    recorded = [row["event_id"] for row in blocks if row["chain"] == "trade" and row["event_id"] in ids]
    assert sorted(recorded) == sorted(ids), "each order is one block"
    if orders:
        book = replayed(orders)
        assert account_rows()[0] == book.portfolio_row() | {"as_of": account_rows()[0]["as_of"]}


def replayed(orders: list[dict[str, Any]]) -> Book:
    """The account computed from its whole log at once."""
    book = Book(ROLE, account_terms())
    for order in orders:
        book.log(order)
    upto = max(row["ingested_at"] for row in open_table("silver.bars").to_pyarrow_table().to_pylist())
    series = stored_series(dict.fromkeys(book.series), upto)
    first = min(order["bar_time"] for order in orders)
    book.replay(bar for bar in in_time(series, book.series) if bar.time >= first)
    return book


def check_limits(orders: list[dict[str, Any]], equity: float) -> None:
    """An order that broke no limit was accepted, and none above a limit: the position is at most a fifth."""
    bought = sum(row["decided_quantity"] * row["mark"] for row in orders if row["status"] == "ACCEPTED")
    assert bought <= 0.2 * equity * 1.0000001
    assert bought + 0.03 * equity > 0.2 * equity, "the next one would have passed the limit"


def crash(module: ModuleType, point: str, run: Callable[[], None]) -> None:
    def failpoint(name: str) -> None:
        if name == point:
            raise Crash(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "failpoint", failpoint)
        with pytest.raises(Crash, match=point):
            run()


@pytest.fixture
def market(real_broker: Broker, tmp_path: Path) -> Iterator[TradedCoin]:
    opened = TradedCoin(real_broker, tmp_path)
    opened.serve()
    yield opened
    if opened.api is not None:
        opened.api.process.kill()
        opened.api.process.wait()


@pytest.mark.slow
def test_accounts_are_conserved_after_a_kill_at_every_point(market: TradedCoin) -> None:
    for point in ("order.before_kafka", "order.after_kafka"):
        market.serve(point)
        with pytest.raises(httpx2.TransportError):
            market.order(client_order_id=point)
        market.serve()
        market.order(client_order_id=point)
    while market.order()["status"] == "ACCEPTED":
        pass
    answers = [market.acknowledged[trade_id] for trade_id in market.acknowledged]
    assert Counter(answer["status"] for answer in answers) == {"ACCEPTED": 6, "REJECTED": 1}
    with market.environment.entered():
        for point in STREAM_POINTS:
            assert market.order()["status"] == "REJECTED"
            market.stream.crash(point)
            check_accounts(market)
            market.stream.run()
            assert len(logged(market)) == len(market.acknowledged), "no order twice, none lost"
        market.send_bars(1)
        market.stream.run()
        check_limits(logged(market), 10_000)
        market.kill_jobs()
        (row,) = account_rows()
        assert len(json.loads(row["positions"])) == 1 and row["accepted_today"] == 6
        market.wait_until_shown()
        assert market.order(side="SELL")["status"] == "ACCEPTED"
        market.send_bars(1)
        market.stream.run()
        market.kill_jobs()
        (row,) = account_rows()
        assert json.loads(row["positions"]) == [] and len(json.loads(row["closed_trades"])) == 1
        assert row["cash"] == row["equity"] != 10_000
