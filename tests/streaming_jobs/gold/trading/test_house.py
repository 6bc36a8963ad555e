"""The house account publishes one order for each verified signal of a live feed, and none for history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from conf.settings import settings
from lakehouse.event import Event, faults
from lakehouse.io.kafka import NotAcknowledged
from lakehouse.io.paper_order_log import newest_orders, with_times
from lakehouse.trading.books import Book
from lakehouse.trading.paper_engine import PaperBar
from streaming_jobs.gold import house
from streaming_jobs.gold.checked_signals import SIGNALS, VERIFICATIONS
from streaming_jobs.gold.house import HOUSE, House
from streaming_jobs.gold.trades import account_terms
from tests.conftest import Broker
from tests.support.empty_lake import copy_empty_tables
from tests.support.trading.bars_lake import land

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
TOPIC = "lumbung.order"
CHECKS = count()  # each is later than the one before


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
        **dict.fromkeys(("buy_probability", "sell_probability", "buy_score", "sell_score"), 0.0),
    }
    land(SIGNALS, [row | more])
    named = {name: row[name] for name in ("signal_id", "interval", "bar_time")}
    at = NOW + timedelta(milliseconds=next(CHECKS))
    land(VERIFICATIONS, [named | {"result": result, "timestamp": at, "feed_time": at}])


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
    signal("^FFF=X", 1)
    house.follow(book, NOW)
    payloads = [orjson.loads(record.value()) for record in broker.records(before, TOPIC, 3)]
    for payload in payloads:
        assert faults(payload, ["order"]) == []
    orders = {payload["symbol"]: payload for payload in payloads}
    assert {symbol: order["status"] for symbol, order in orders.items()} == {
        "AAA": "ACCEPTED",
        "BBB": "REJECTED",
        "^FFF=X": "ACCEPTED",
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


def test_signal_that_is_not_followed_is_a_refused_order(home: Path, broker: Broker) -> None:
    copy_empty_tables()
    before = broker.ends()
    book = Book(HOUSE, account_terms())
    for symbol in ("HELD", "WAITS", "SOLD"):
        (bought,) = decided_orders(book, broker, before, symbol)
        assert bought["status"] == "ACCEPTED"
        book.log(with_times(bought) | {"oracle": "VERIFIED", "validation": "{}"})
    bar = PaperBar("HELD", "1m", NOW, Decimal(100), Decimal(100), Decimal(1_000_000))
    known = [
        replace(bar, symbol=symbol, time=NOW - timedelta(minutes=1)) for symbol in ("HELD", "WAITS", "SOLD")
    ]
    book.replay([*known, bar, replace(bar, symbol="SOLD")])
    cases = (
        ("HELD", {}, ["position_open"]),
        ("WAITS", {}, ["order_waiting"]),
        ("NONE", {"signal": "SELL"}, ["holding"]),
        ("BOTH", {"signal": "SELL", "confidence": 0.6}, ["holding", "min_confidence"]),
        ("SOLD", {"signal": "SELL"}, []),
    )
    for symbol, more, rules in cases:
        order = decided_orders(book, broker, before, symbol, minutes=0, **more)[-1]
        assert [each["rule"] for each in order["validation"]["violations"]] == rules, symbol
        assert order["status"] == ("REJECTED" if rules else "ACCEPTED")


def decided_orders(
    book: Book, broker: Broker, before: dict[tuple[str, int], int], symbol: str, minutes: int = 1, **more: Any
) -> list[dict[str, Any]]:
    """Orders of the house on a symbol, once it has decided one more signal."""
    known = sum(broker.ends()[key] - end for key, end in before.items() if key[0] == TOPIC)
    signal(symbol, minutes, position_size_pct=5.0, **more)
    House().follow(book, NOW)
    payloads = [orjson.loads(record.value()) for record in broker.records(before, TOPIC, known + 1)]
    return [payload for payload in payloads if payload["symbol"] == symbol]


def test_signal_that_came_to_the_house_too_late_is_refused_as_history(home: Path, broker: Broker) -> None:
    copy_empty_tables()
    before = broker.ends()
    signal("TARDY", 1)
    House().follow(Book(HOUSE, account_terms()), NOW + timedelta(minutes=4))
    (payload,) = [orjson.loads(record.value()) for record in broker.records(before, TOPIC, 1)]
    assert payload["validation"]["violations"][0] == {
        "rule": "history",
        "limit": 3.0,
        "actual": 4.0,
        "until": None,
    }


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
