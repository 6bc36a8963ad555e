"""The oracle fails a signal that is inconsistent, altered, late or computed from unusual bars."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from lakehouse.trading.indicators import NAMES
from lakehouse.trading.oracle import Checks, signal_hash, verify
from lakehouse.trading.signals import Signal, signal_at
from tests.lakehouse.trading.made_bars import BEGIN, COIN, random_bars

BARS = random_bars(31, 300)


def computed() -> Signal:
    signal = signal_at(BARS, 300, COIN)
    assert signal is not None
    return signal


def stored(**changed: Any) -> dict[str, Any]:
    """The computed signal as a row of gold.signals, with changes; the hash covers the changes."""
    signal = computed()
    time = BEGIN + timedelta(days=299)
    row = {
        "symbol": COIN.symbol,
        "interval": COIN.interval,
        "bar_time": time,
        "reported_at": time + timedelta(days=1),
        "bar_closed": True,
        "signal": signal.direction,
        **{name: getattr(signal, name) for name in FIELDS},
        **{name: signal.indicators[name] for name in NAMES},
    }
    row |= changed
    return {"hash": signal_hash(row)} | row


FIELDS = (
    *("confidence", "risk_score", "position_size_pct", "buy_score", "sell_score", "model_run"),
    "data_version",
)


AHEAD = {"buy_score": 60.0, "sell_score": 10.0}


def failed(row: dict[str, Any], **more: Any) -> list[str]:
    arguments: dict[str, Any] = {"stored": BARS, "computed": computed(), "is_repeated": False} | more
    checks: Checks = verify(row, **arguments)
    return [name for name, passed in vars(checks).items() if not passed]


def test_signal_as_it_was_computed_is_verified() -> None:
    assert failed(stored()) == []


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"confidence": 1.5}, "confidence_reasonable"),
        (AHEAD | {"signal": "BUY", "confidence": 0.49}, "confidence_reasonable"),
        (AHEAD | {"signal": "SELL", "confidence": 0.6}, "confidence_reasonable"),
        ({"risk_score": 81.0, "position_size_pct": 5.1}, "risk_consistent"),
        ({"position_size_pct": 20.1}, "risk_consistent"),
        ({"rsi": 50.0}, "data_integrity"),
        ({"data_version": "0" * 16}, "data_integrity"),
        ({"hash": "0" * 64}, "data_integrity"),
        ({"bar_closed": False}, "data_integrity"),
        ({"reported_at": BEGIN + timedelta(days=303)}, "data_integrity"),
    ],
)  # fmt: skip
def test_changed_signal_fails_its_check(changed: dict[str, Any], check: str) -> None:
    assert check in failed(stored(**changed))


def test_gap_jump_and_repeat_are_anomalies() -> None:
    columns = vars(deepcopy(BARS))
    columns["regular"][-4] = False
    assert failed(stored(), stored=type(BARS)(**columns)) == ["anomaly_free"]
    columns["regular"][-4] = True
    columns["close"][-1] *= 2
    assert failed(stored(), stored=type(BARS)(**columns)) == ["anomaly_free"]
    assert failed(stored(), is_repeated=True) == ["anomaly_free"]


def test_hash_covers_every_named_field() -> None:
    first = signal_hash(stored())
    assert first == signal_hash(stored())
    for name in ("confidence", "symbol", "risk_score", "data_version", "buy_score"):
        value = stored()[name]
        assert signal_hash(stored(**{name: value + 1 if isinstance(value, float) else value + "x"})) != first
