"""Bars against the bar before: time only goes on, steps are no larger than markets make them, nothing is missing between."""

from collections.abc import Mapping
from math import log, sqrt
from typing import NamedTuple

import pyarrow as pa

from lakehouse.validation.in_order import DAY, SECOND, InOrder, utc

STEP = {"1m": 60 * SECOND, "1d": DAY}
# Largest usual |log return| of a step.
RETURN_LIMIT = {("equity", "1d"): 0.25, ("crypto", "1d"): 0.5, ("equity", "1m"): 0.1, ("crypto", "1m"): 0.1}
EQUITY_BREAK_DAYS = 11  # the longest closure for holidays that published daily bars show


class Bar(NamedTuple):
    symbol: str | None
    interval: str | None
    asset_class: str | None
    bar_time: int | None
    close: float | None
    final: bool | None


class Seen(NamedTuple):
    bar_time: str | None
    previous_bar_time: str | None
    in_order: bool  # later than the newest bar of its series
    close: float | None
    previous_close: float | None
    log_return: float | None
    return_limit: float | None
    gap_before: int | None  # bars that the grid has between the two; days for equities


class Bars(InOrder[Bar, Seen]):
    """State: the newest final bar of each symbol × interval, so the memory it takes is bounded by their number.

    A bar that is not final yet may be told again and again, as long as it is newer than the last final one.
    """

    kind = "bar"
    reads = Bar._fields
    rules = {
        "bar_time_increasing": lambda seen: not seen.in_order,
        "bar_return": lambda seen: seen.log_return is not None and abs(seen.log_return) > seen.return_limit,
        "bar_gap": lambda seen: seen.gap_before is not None and seen.gap_before > 0,
    }
    errors = frozenset({"bar_time_increasing"})
    newest_by = ("symbol", "interval", "bar_time")

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._newest: dict[tuple[str, str], tuple[int, float]] = {}

    def remembered(self, accepted: pa.Table) -> pa.Table:
        return super().remembered(accepted.filter(accepted["final"]))

    def compare(self, row: Bar) -> Seen:
        symbol, interval, asset_class, time, close, _ = row
        previous = self._newest.get((symbol, interval))  # type: ignore[arg-type]  # None is no key that was taken up
        if previous is None or time is None:
            return Seen(utc(time), None, True, close, None, None, None, None)
        before, old = previous
        step = STEP.get(interval or "")
        if time <= before or step is None or asset_class not in ("equity", "crypto"):
            return Seen(utc(time), utc(before), time > before, close, old, None, None, None)
        steps = max((time - before) // step, 1)  # bars off the grid are refused by their own rule
        moved = log(close / old) if close is not None and close > 0 and old > 0 else None
        limit = return_limit(asset_class, str(interval), steps)
        return Seen(utc(time), utc(before), True, close, old, moved, limit, gap(asset_class, time - before, steps))

    def take_up(self, row: Bar) -> None:
        symbol, interval, asset_class, time, close, final = row
        if symbol is None or interval is None or asset_class is None or time is None or close is None or not final:
            return
        previous = self._newest.get((symbol, interval))
        if previous is None or time >= previous[0]:  # a released older bar changes nothing for those to come
            self._newest[symbol, interval] = (time, close)


def return_limit(asset_class: str, interval: str, steps: int) -> float:
    """Usual |log return| over `steps` steps of the grid.

    A coin trades through, so over missing bars its limit grows with the square root of time. A share does not: a night, a
    weekend or a holiday counts as one day's step.
    """
    if asset_class == "equity":
        return RETURN_LIMIT["equity", interval if steps <= 1 else "1d"]
    return RETURN_LIMIT["crypto", interval] * sqrt(steps)


def gap(asset_class: str, elapsed: int, steps: int) -> int:
    """Bars missing before this one: every step for a coin; for a share only days, and only beyond the longest closure."""
    if asset_class == "equity":
        days = elapsed // DAY
        return days - 1 if days > EQUITY_BREAK_DAYS else 0
    return steps - 1
