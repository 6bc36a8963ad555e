"""Bars compared with the bar before: their time increases, returns are usual, no bar is missing between."""

from math import log, sqrt
from typing import NamedTuple

import pyarrow as pa

from lakehouse.validation.in_order import DAY, SECOND, NewestInOrder, utc

STEP = {"1m": 60 * SECOND, "1d": DAY}
# Largest usual |log return| of a step.
RETURN_LIMIT = {("equity", "1d"): 0.25, ("crypto", "1d"): 0.5, ("equity", "1m"): 0.1, ("crypto", "1m"): 0.1}
# The longest closure for holidays that published daily bars show.
EQUITY_BREAK_DAYS = 11


class Bar(NamedTuple):
    symbol: str | None
    interval: str | None
    asset_class: str | None
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
    # Bars that the grid has between the two; days for equities.
    gap_before: int | None


class Bars(NewestInOrder[Bar, BarEvidence]):
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
        symbol, interval, asset_class, time, close, _ = row
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
        log_return = log(close / previous_close) if has_return and close is not None else None
        limit = return_limit(asset_class, str(interval), steps)
        missing = missing_bars(asset_class, time - previous_time, steps)
        return BarEvidence(*times, True, close, previous_close, log_return, limit, missing)

    def remember(self, row: Bar) -> None:
        symbol, interval, asset_class, time, close, final = row
        is_known = None not in (symbol, interval, asset_class)
        if not is_known or time is None or close is None or not final:
            return
        previous = self._newest.get((symbol, interval))
        # A released older bar changes nothing for later ones.
        if previous is None or time >= previous[0]:
            self._newest[symbol, interval] = (time, close)


def return_limit(asset_class: str, interval: str, steps: int) -> float:
    """Usual |log return| over `steps` steps of the grid.

    Crypto is traded all the time, so its limit grows with the square root of the time without bars. An equity
    is not: a night, a weekend or a holiday counts as the step of one day.
    """
    if asset_class == "equity":
        return RETURN_LIMIT["equity", interval if steps <= 1 else "1d"]
    return RETURN_LIMIT["crypto", interval] * sqrt(steps)


def missing_bars(asset_class: str, elapsed: int, steps: int) -> int:
    """Bars missing before this one.

    Every step counts for crypto. For an equity only days count, and only beyond the longest closure.
    """
    if asset_class == "equity":
        days = elapsed // DAY
        return days - 1 if days > EQUITY_BREAK_DAYS else 0
    return steps - 1
