"""Closed trades of an account, and those of them that lost in a trading day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Literal

Entry = Literal["signal", "order"]
Exit = Literal["signal", "order", "stop", "take_profit"]
LONGEST_PAST = timedelta(
    days=2
)  # from the begin of a bar that closes in a trading day to the end of that day


@dataclass(frozen=True)
class ClosedTrade:
    """A position from its first purchase until nothing is held. `net`: its result less all `fees`.

    `entry`: reason of the first purchase; `exit`: of the last sale. `opened_at`, `closed_at`: begins of the
    bars of these fills. `bars`: of `interval` from one to the other.
    """

    symbol: str
    interval: str
    entry: Entry
    exit: Exit
    opened_at: datetime
    closed_at: datetime
    net: Decimal
    fees: Decimal
    bars: int

    @property
    def is_lost(self) -> bool:
        """Whether it brought nothing."""
        return self.net <= 0


def lost_in_day(trades: Sequence[ClosedTrade], at: datetime, day_hours: int) -> int:
    """Trades that lost in the trading day of a time. `trades`: as their bars closed."""
    day = trading_day(at, day_hours)
    newest = takewhile(lambda trade: at - trade.closed_at < LONGEST_PAST, reversed(trades))
    return sum(1 for trade in newest if trade.is_lost and trading_day(trade.closed_at, day_hours) == day)


def newest_lost(trades: Iterable[ClosedTrade]) -> dict[str, ClosedTrade]:
    """Symbol -> its newest trade that lost."""
    return {trade.symbol: trade for trade in trades if trade.is_lost}


def end_of_day(at: datetime, day_hours: int) -> datetime:
    """When the trading day of a moment ends."""
    tomorrow = trading_day(at, day_hours) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), UTC) - timedelta(hours=day_hours)


def trading_day(at: datetime, day_hours: int) -> date:
    """The trading day of a moment; it begins at midnight of UTC + `day_hours`."""
    return (at.astimezone(UTC) + timedelta(hours=day_hours)).date()
