"""Every signal has one fate, with the rule and the values that decided it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.outcomes import CHECKS, HouseOrder, outcome_row
from lakehouse.trading.signals import chosen_direction
from tests.lakehouse.trading.made_bars import BEGIN

CLOSED = BEGIN + INTERVALS["5m"]
BROKEN = [
    {"rule": "min_confidence", "limit": 0.65, "actual": 0.5300001},
    {"rule": "cash", "limit": 12.5, "actual": 100000.25},
]


def checked(**more: Any) -> dict[str, Any]:
    """A verified BUY of a bar that closed just now."""
    row = {"signal_id": "s", "symbol": "COIN", "asset_class": "crypto", "interval": "5m", "currency": "USD"}
    row |= {"bar_time": BEGIN, "signal": "BUY", "confidence": 0.53, "result": "VERIFIED", "timestamp": CLOSED}
    row |= {"buy_probability": 0.53, "sell_probability": 0.4, "buy_score": 60.0, "sell_score": 10.0}
    row |= dict.fromkeys(CHECKS, True) | more
    return {"feed_time": row["timestamp"]} | row


def order(status: str, broken: list[dict[str, Any]] | None = None) -> HouseOrder:
    return HouseOrder(status, json.dumps(broken or []), CLOSED)


LOCKED = {"rule": "symbol_locked", "limit": 5.0, "actual": 2.0, "until": "2024-01-01T00:30:00Z"}
LATE = CLOSED + timedelta(minutes=15)
UNSURE = {"signal": "HOLD", "buy_probability": 0.473512, "sell_probability": 0.3}
CONTRARY = {"signal": "HOLD", "sell_probability": 0.55, "buy_score": 30.0, "sell_score": 30.0}


@pytest.mark.parametrize(
    ("signal", "given", "fate", "rule", "detail"),
    [
        (UNSURE, None, "held", "margin", "margin 0.473512, limit 0.52"),
        (
            UNSURE | {"buy_score": 5.0},
            None,
            "held",
            "margin",
            "margin 0.473512, limit 0.52; score 5, limit 10",
        ),
        (CONTRARY, None, "held", "score", "score 30, limit 30"),
        (UNSURE | {"result": "FAILED"}, None, "held", "margin", "margin 0.473512, limit 0.52"),
        (
            {"result": "FAILED", "anomaly_free": False, "data_integrity": False},
            None,
            "refused",
            "oracle",
            "oracle: data_integrity, anomaly_free failed",
        ),
        ({}, order("ACCEPTED"), "traded", None, "accepted, waits for the open of the next bar"),
        ({}, order("EXECUTED"), "traded", None, "accepted and filled"),
        ({"timestamp": LATE + timedelta(days=1)}, order("EXECUTED"), "traded", None, "accepted and filled"),
        (
            {},
            order("REJECTED", BROKEN),
            "refused",
            "min_confidence",
            "min_confidence 0.53, limit 0.65; cash 100000.25, limit 12.5",
        ),
        (
            {},
            order("REJECTED", [LOCKED]),
            "refused",
            "symbol_locked",
            "symbol_locked 2, limit 5, until 2024-01-01T00:30:00Z",
        ),
        (
            {"currency": "IDR"},
            None,
            "refused",
            "foreign_currency",
            "foreign_currency: quoted in IDR, the account holds US dollars",
        ),
        ({"timestamp": LATE + timedelta(minutes=1)}, None, "refused", "history", "history 3.2, limit 3"),
    ],
)
def test_fate_names_its_rule_and_values(
    signal: dict[str, Any], given: HouseOrder | None, fate: str, rule: str | None, detail: str
) -> None:
    row = outcome_row(checked(**signal), given)
    assert row is not None
    assert (row["fate"], row["rule"], row["detail"]) == (fate, rule, detail)
    rules = [each["rule"] for each in json.loads(row["violations"])]
    assert rules[:1] == ([] if rule in (None, "foreign_currency") else [rule])


@pytest.mark.parametrize("at", [CLOSED, LATE])
def test_verified_signal_of_three_intervals_at_most_waits_for_the_house(at: Any) -> None:
    assert outcome_row(checked(timestamp=at), None) is None


def test_whatever_is_held_has_a_reason() -> None:
    values = (0.0, 0.3, 0.52, 0.6)
    for buy, sell, likely, unlikely in (
        (a, b, c, d) for a in values for b in values for c in values for d in values
    ):
        if chosen_direction(buy, sell, likely, unlikely) == "HOLD":
            scores = {"buy_score": buy, "sell_score": sell}
            held = checked(signal="HOLD", buy_probability=likely, sell_probability=unlikely, **scores)
            row = outcome_row(held, None)
            assert row is not None and row["detail"] and json.loads(row["violations"])
