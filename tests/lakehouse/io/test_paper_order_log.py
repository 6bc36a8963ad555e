"""Which records of the topic of orders are taken for orders after a restart."""

from typing import Any

import orjson
import pytest

from lakehouse.io.paper_order_log import logged_order

ORDER: dict[str, Any] = {
    "event_id": "t-1",
    "event_time": "2026-06-01T00:00:05Z",
    "account": "ana",
    "principal": "ana",
    "role": "user",
    "symbol": "BTC",
    "side": "BUY",
    "quantity": 1.0,
    "decided_quantity": 1.0,
    "asset_class": "crypto",
    "currency": "USD",
    "interval": "1m",
    "bar_time": "2026-06-01T00:00:00Z",
    "mark": 100.0,
    "trade_id": "t-1",
    "status": "ACCEPTED",
    "oracle": "VERIFIED",
    "confidence": 0.7,
    "decided_at": "2026-06-01T00:00:05Z",
    "validation": {"result": "VALID", "violations": []},
}


def test_decided_order_is_read_back() -> None:
    order = logged_order(orjson.dumps(ORDER))
    assert order is not None
    assert (order["trade_id"], order["decided_at"].second) == ("t-1", 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"trade_id": {"id": 1}},
        {"account": None},
        {"decided_quantity": "5"},
        {"status": "OPEN"},
        {"mark": -1},
        {"bar_time": "yesterday"},
    ],
)
def test_record_that_the_stream_refuses_is_no_order(wrong: dict[str, Any]) -> None:
    assert logged_order(orjson.dumps(ORDER | wrong)) is None


@pytest.mark.parametrize("value", [b"", b"[]", b"null", b"{", b"\xff"])
def test_bytes_that_are_no_order_are_passed_over(value: bytes) -> None:
    assert logged_order(value) is None
