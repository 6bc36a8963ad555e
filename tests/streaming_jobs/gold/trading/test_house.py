"""The house account publishes one order for each verified signal of a live feed, and none for history."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from conf.settings import settings
from lakehouse.event import Event, faults
from lakehouse.io.kafka import NotAcknowledged
from lakehouse.io.paper_order_log import newest_orders
from lakehouse.trading.books import Book
from streaming_jobs.gold import house
from streaming_jobs.gold.house import HOUSE, SIGNALS, VERIFICATIONS, House
from streaming_jobs.gold.trades import account_terms
from tests.conftest import Broker
from tests.support.empty_lake import copy_empty_tables
from tests.support.trading.bars_lake import land

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
TOPIC = "lumbung.order"


def signal(symbol: str, minutes: int, result: str = "VERIFIED", **more: Any) -> None:
    """A stored signal of a bar that began so many minutes ago, and its verification."""
    row = {
        "signal_id": f"{symbol}-{minutes}",
        "symbol": symbol,
        "asset_class": "crypto",
        "interval": "1m",
        "currency": "USD",
        "bar_time": NOW - timedelta(minutes=minutes),
        "close": 100.0,
        "signal": "BUY",
        "confidence": 0.7,
        "position_size_pct": 15.0,
    }
    land(SIGNALS, [row | more])
    named = {name: row[name] for name in ("signal_id", "interval", "bar_time")}
    land(VERIFICATIONS, [named | {"result": result}])


def test_house_follows_verified_signals_of_the_newest_bars(home: Path, broker: Broker) -> None:
    copy_empty_tables()
    before = broker.ends()
    signal("AAA", 1)
    signal("BBB", 1, confidence=0.6)
    signal("CCC", 1, result="FAILED")
    signal("DDD", 90)
    signal("EEE", 1, signal="HOLD")
    book = Book(HOUSE, account_terms())
    house = House()
    house.follow(book, NOW)
    house.follow(book, NOW)
    signal("FFF", 1)
    house.follow(book, NOW)
    payloads = [orjson.loads(record.value()) for record in broker.records(before, TOPIC, 3)]
    for payload in payloads:
        assert faults(payload, ["order"]) == []
    orders = {payload["symbol"]: payload for payload in payloads}
    assert {symbol: order["status"] for symbol, order in orders.items()} == {
        "AAA": "ACCEPTED",
        "BBB": "REJECTED",
        "FFF": "ACCEPTED",
    }
    assert orders["AAA"]["decided_quantity"] == 15.0
    assert [each["rule"] for each in orders["BBB"]["validation"]["violations"]] == ["min_confidence"]
    assert orders["AAA"]["event_id"] == "house-AAA-1", "a second decision on the signal counts once"
    House().follow(book, NOW)
    assert len(broker.records(before, TOPIC, 3)) == 3, "a new process reads them back from Kafka"


@pytest.mark.parametrize("point", ["house.before_kafka", "house.after_kafka"])
def test_killed_house_accepts_no_order_too_many(
    home: Path, broker: Broker, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_empty_tables()
    before = broker.ends()
    others = sum(order["account"] == HOUSE and order["status"] == "ACCEPTED" for order in newest_orders())
    monkeypatch.setattr(settings().trading, "max_daily_trades", others + 1)
    signal(f"Z{point}", 2, position_size_pct=0.1)
    book = Book(HOUSE, account_terms())
    with monkeypatch.context() as patch:
        patch.setattr(house, "failpoint", lambda name: crash(name, point))
        with pytest.raises(Crash):
            House().follow(book, NOW)
    signal(f"Y{point}", 3, position_size_pct=0.1)  # of an earlier bar: decided before the other one
    restarted = House()
    restarted.follow(book, NOW)
    restarted.follow(book, NOW)
    payloads = [orjson.loads(record.value()) for record in broker.records(before, TOPIC, 2)]
    assert len(payloads) == 2, "none lost, none twice"
    statuses = {payload["symbol"]: payload["status"] for payload in payloads}
    first = "Z" if point == "house.after_kafka" else "Y"
    assert {symbol[0]: status == "ACCEPTED" for symbol, status in statuses.items()} == {
        "Y": first == "Y",
        "Z": first == "Z",
    }, "what Kafka holds counts"


class Crash(Exception):
    """Thrown at a fail point instead of SIGKILL."""


def crash(name: str, point: str) -> None:
    if name == point:
        raise Crash(name)


def test_house_sends_its_decision_until_kafka_has_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_empty_tables()
    signal("LATE", 1, position_size_pct=0.1)
    book = Book(HOUSE, account_terms())
    sent: list[list[Event]] = []

    def refuse(events: list[Event]) -> None:
        sent.append(events)
        if len(sent) == 1:
            raise NotAcknowledged("no answer")

    monkeypatch.setattr(house, "publish", refuse)
    follower = House()
    follower.follow(book, NOW)
    signal("LATER", 1, position_size_pct=0.1)
    follower.follow(book, NOW)
    follower.follow(book, NOW)
    assert [[event.event_id for event in events] for events in sent] == [
        ["house-LATE-1"],
        ["house-LATE-1", "house-LATER-1"],
    ]
    assert sent[0][0] == sent[1][0], "the same decision"
