"""The oracle: whether a stored signal is the one that was computed, and is consistent in itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np

from lakehouse.ledger.canonical import canonical, digest
from lakehouse.trading.bars import INTERVALS, Bars
from lakehouse.trading.indicators import NAMES
from lakehouse.trading.signals import LARGEST_SHARE, Signal

HASHED = (
    *("symbol", "bar_time", "interval", "signal", "confidence", "risk_score", "position_size_pct"),
    *("buy_score", "sell_score", "model_run", "data_version"),
)
HIGH_RISK = 80  # of 100; then a position is small
SMALL_SIZE_PCT = 5
OLDEST_INTERVALS = 2  # a bar is reported within so many of its intervals
LARGEST_JUMP = 5  # average true ranges between two closes
REGULAR_BARS = 5  # without a gap or a bar without trade
TOLERANCE = 1e-9

Row = Mapping[str, Any]  # a row of gold.signals


@dataclass(frozen=True)
class Checks:
    """The four checks of a signal."""

    confidence_reasonable: bool
    risk_consistent: bool
    data_integrity: bool
    anomaly_free: bool

    @property
    def result(self) -> str:
        """VERIFIED when all checks hold, else FAILED."""
        return "VERIFIED" if all(vars(self).values()) else "FAILED"


def signal_hash(row: Row) -> str:
    """SHA-256 of the signal as canonical JSON (RFC 8785), numbers as decimal text.

    Raises ValueError for a number that is not finite.
    """
    values = {name: row[name] for name in HASHED}
    texts = {name: Decimal(repr(value)) for name, value in values.items() if isinstance(value, float)}
    return digest(canonical(values | texts))


def verify(row: Row, stored: Bars, computed: Signal | None, is_repeated: bool) -> Checks:
    """The checks of a stored signal.

    `stored`: the stored bars that end with the signal's; `computed`: the signal computed from them again;
    `is_repeated`: another signal has the same symbol, interval and bar.
    """
    return Checks(
        confidence_reasonable=_confidence_reasonable(row),
        risk_consistent=_risk_consistent(row),
        data_integrity=_data_integrity(row, computed),
        anomaly_free=not is_repeated and _anomaly_free(stored, row["atr"]),
    )


def _confidence_reasonable(row: Row) -> bool:
    confidence = row["confidence"]
    if confidence is None or not 0 <= confidence <= 1:
        return False
    if row["signal"] == "HOLD":
        return True
    ahead = row["buy_score"] - row["sell_score"]
    return bool(confidence >= 0.5 and (ahead > 0 if row["signal"] == "BUY" else ahead < 0))


def _risk_consistent(row: Row) -> bool:
    risk = row["risk_score"]
    size = row["position_size_pct"]
    if risk is None or size is None or not 0 <= risk <= 100 or not 0 <= size <= 100 * LARGEST_SHARE:
        return False
    return not (risk > HIGH_RISK and size > SMALL_SIZE_PCT)


def _data_integrity(row: Row, computed: Signal | None) -> bool:
    try:
        if row["hash"] != signal_hash(row):
            return False
    except ValueError:
        return False
    interval = INTERVALS[row["interval"]]
    age = row["reported_at"] - (row["bar_time"] + interval)
    if age > OLDEST_INTERVALS * interval or not row["bar_closed"] or computed is None:
        return False
    if row["data_version"] != computed.data_version or row["signal"] != computed.direction:
        return False
    return all(_agrees(row[name], computed.indicators[name]) for name in NAMES)


def _agrees(stored: float | None, computed: float) -> bool:
    """Whether two values are equal to 1e-9, relative above 1; null agrees with what is not finite."""
    if stored is None or not isfinite(computed):
        return stored is None and not isfinite(computed)
    return abs(stored - computed) <= TOLERANCE * max(1.0, abs(computed))


def _anomaly_free(bars: Bars, atr: float | None) -> bool:
    if atr is None or len(bars) < 2 or not bars.regular[-REGULAR_BARS:].all():
        return False
    closes = bars.part(len(bars) - 2, len(bars)).adjusted().close
    return bool(np.abs(closes[1] - closes[0]) <= LARGEST_JUMP * atr)
