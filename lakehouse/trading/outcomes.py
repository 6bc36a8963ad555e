"""What became of a signal in the house account: traded, refused by a rule, or held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.market_terms import DOLLARS
from lakehouse.trading.oracle import Checks
from lakehouse.trading.signals import MARGIN

Row = dict[str, Any]
NEWEST_INTERVALS = 3  # an older signal is history, which a backtest trades
CHECKS = tuple(Checks.__annotations__)
COPIED = ("signal_id", "symbol", "asset_class", "interval", "bar_time", "signal", "confidence")


@dataclass(frozen=True)
class HouseOrder:
    """The order of the house that follows a signal. `violations`: JSON list, as in gold.trades."""

    status: str
    violations: str
    decided_at: datetime


def age_of(signal: Mapping[str, Any], at: datetime) -> float:
    """Intervals of its bars from the close of a signal's bar to a time, by the clock of its feed."""
    step = INTERVALS[signal["interval"]]
    elapsed = signal["feed_time"] - signal["bar_time"] + (at - signal["timestamp"])
    return float(elapsed / step - 1)


def is_history(signal: Mapping[str, Any]) -> bool:
    """Whether a verified signal is too old for the house to decide. `timestamp`: when it was verified."""
    return age_of(signal, signal["timestamp"]) > NEWEST_INTERVALS


def outcome_row(signal: Mapping[str, Any], order: HouseOrder | None) -> Row | None:
    """The row of gold.signal_outcomes; None while the house has not decided.

    `signal`: a row of gold.signals with the checks, result and times of its verification.
    """
    fate = fate_of(signal, order)
    return None if fate is None else {name: signal[name] for name in COPIED} | fate


def fate_of(signal: Mapping[str, Any], order: HouseOrder | None) -> Row | None:
    """The columns fate, rule, detail and violations; None while the house has not decided."""
    if signal["signal"] == "HOLD":
        return not_traded("held", held_back(signal))
    if order is not None:
        return fate_of_order(order)
    if signal["result"] != "VERIFIED":
        failed = [name for name in CHECKS if not signal[name]]
        passed = violation("oracle", len(CHECKS), len(CHECKS) - len(failed))
        return not_traded("refused", [passed], f"oracle: {', '.join(failed)} failed")
    if signal["currency"] not in DOLLARS:
        text = f"foreign_currency: quoted in {signal['currency']}, the account holds US dollars"
        return not_traded("refused", [], text, "foreign_currency")
    if is_history(signal):
        age = age_of(signal, signal["timestamp"])
        return not_traded("refused", [violation("history", NEWEST_INTERVALS, age)])
    return None


def held_back(signal: Mapping[str, Any]) -> list[Row]:
    """Why the likelier side of HOLD is no signal: its probability, or that its score is not the higher."""
    side, other = "buy", "sell"
    if signal["sell_probability"] > signal["buy_probability"]:
        side, other = other, side
    least = 0.5 + MARGIN
    likely, own, opposite = (
        signal[name] for name in (f"{side}_probability", f"{side}_score", f"{other}_score")
    )
    broken = [violation("margin", least, likely)] if likely < least else []
    return [*broken, violation("score", opposite, own)] if own <= opposite else broken


def fate_of_order(order: HouseOrder) -> Row:
    """The fate of a signal that the house decided."""
    if order.status == "REJECTED":
        return not_traded("refused", orjson.loads(order.violations))
    filled = order.status == "EXECUTED"
    detail = "accepted and filled" if filled else "accepted, waits for the open of the next bar"
    return {"fate": "traded", "rule": None, "detail": detail, "violations": "[]"}


def not_traded(fate: str, broken: Sequence[Row], detail: str | None = None, rule: str = "oracle") -> Row:
    """The columns of a signal that was not traded. `rule`: of one without values."""
    return {
        "fate": fate,
        "rule": broken[0]["rule"] if broken else rule,
        "detail": detail or "; ".join(map(in_words, broken)) or rule,
        "violations": orjson.dumps(list(broken)).decode(),
    }


def violation(rule: str, limit: float, actual: float) -> Row:
    """A rule with its values, as gold.trades lists it."""
    return {"rule": rule, "limit": float(limit), "actual": float(actual), "until": None}


def in_words(broken: Row) -> str:
    """A broken rule as text, numbers with up to six decimals."""
    until = f", until {broken['until']}" if broken.get("until") else ""
    limit, actual = (f"{Decimal(repr(round(broken[name], 6))).normalize():f}" for name in ("limit", "actual"))
    return f"{broken['rule']} {actual}, limit {limit}{until}"
