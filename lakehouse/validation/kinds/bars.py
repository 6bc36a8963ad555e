"""Bars compared with the bar before: their time increases, returns are usual, no bar is missing between."""

from math import log, sqrt
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from lakehouse.trading.sessions import STEP, missing_bars
from lakehouse.validation.in_order import NewestInOrder, utc

# Largest usual |log return| of a day, and of a shorter step.
DAY_LIMIT = {"equity": 0.25, "crypto": 0.5}
INTRADAY_LIMIT = 0.1


class Bar(NamedTuple):
    symbol: str | None
    interval: str | None
    asset_class: str | None
    currency: str | None
    bar_time: int | None
    close: float | None
    final: bool | None


class BarEvidence(NamedTuple):
    bar_time: str | None
    previous_bar_time: str | None
    # Later than the newest bar of its series.
    in_order: bool
    close: float | None
    previous_close: float | None
    log_return: float | None
    return_limit: float | None
    # Bars that the market has between the two.
    gap_before: int | None


class BarsInOrder(NewestInOrder[Bar, BarEvidence]):
    """State: the newest final bar of each symbol × interval, so memory is bounded by their number.

    A bar that is not final may be sent again, as long as it is newer than the last final one.
    """

    kind = "bar"
    reads = Bar._fields
    evidence = BarEvidence._fields
    newest_by = ("symbol", "interval", "bar_time")
    keeps = ("close",)

    def remembered(self, accepted: pa.Table) -> pa.Table:
        return super().remembered(accepted.filter(accepted["final"]))

    def compare(self, row: Bar) -> BarEvidence:
        symbol, interval, asset_class, currency, time, close, _ = row
        previous = self._newest.get((symbol, interval))
        if previous is None or time is None:
            return BarEvidence(utc(time), None, True, close, None, None, None, None)
        previous_time, previous_close = previous
        times = (utc(time), utc(previous_time))
        step = STEP.get(interval or "")
        if time <= previous_time or step is None or asset_class not in ("equity", "crypto"):
            return BarEvidence(*times, time > previous_time, close, previous_close, None, None, None)
        # Bars off the grid are refused by a rule of their own.
        steps = max((time - previous_time) // step, 1)
        has_return = close is not None and close > 0 and previous_close > 0
        # A ratio may be too small or too large for a double; a difference of logarithms never is.
        log_return = log(close) - log(previous_close) if has_return and close is not None else None
        limit = return_limit(asset_class, str(interval), steps)
        pair = (np.array([moment]) for moment in (previous_time, time))
        missing = int(missing_bars(asset_class, currency, str(interval), *pair)[0])
        return BarEvidence(*times, True, close, previous_close, log_return, limit, missing)

    def remember(self, row: Bar) -> None:
        _, _, asset_class, _, _, _, final = row
        if final and asset_class is not None:
            super().remember(row)


def return_limit(asset_class: str, interval: str, steps: int) -> float:
    """Usual |log return| over `steps` steps of the grid.

    Crypto is traded all the time, so its limit grows with the square root of the time without bars. An equity
    is not: a night, a weekend or a holiday counts as the step of one day.
    """
    of_step = DAY_LIMIT[asset_class] if interval == "1d" else INTRADAY_LIMIT
    if asset_class == "equity":
        return of_step if steps <= 1 else DAY_LIMIT["equity"]
    return of_step * sqrt(steps)
