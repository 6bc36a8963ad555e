"""When an exchange is open, and so which bars are missing between two."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import numpy as np
from numpy.typing import NDArray

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.exchanges import Exchange, exchanges

Times = NDArray[np.int64]  # microseconds since 1970
DAY = 86_400_000_000
EPOCH = date(1970, 1, 1)
SINCE = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STEP = {interval: length // INTERVALS["1m"] * 60_000_000 for interval, length in INTERVALS.items()}
FIRST = "1990-01-01"
LAST = "2035-12-31"
FRIDAY = 4
# The longest closure for holidays that published daily bars show; of an exchange without a calendar.
LONGEST_BREAK_DAYS = 11
COIN_DAYS = 365  # of a year
DEFAULT_CURRENCY = "USD"


@dataclass(frozen=True)
class Calendar:
    """The sessions of one exchange.

    `days`: day of each since 1970; `opens`, `closes`: microseconds since 1970 of its parts, which a pause at
    noon divides; `traded`: trading time before each part, microseconds; `zone`: of its days.
    """

    zone: str
    days: NDArray[np.int64]
    opens: Times
    closes: Times
    traded: Times
    a_year: int
    a_day: int  # trading time of a usual session, microseconds

    def day_of(self, time: Times) -> NDArray[np.int64]:
        """Days of daily bars since 1970: of UTC where they begin at its midnight, else of the exchange."""
        days: NDArray[np.int64] = time // DAY
        zone = ZoneInfo(self.zone)
        for place in np.flatnonzero(time % DAY):
            local = datetime.fromtimestamp(time[place] / 1e6, zone)
            days[place] = (local.date() - EPOCH).days
        return days

    def traded_upto(self, time: Times) -> Times:
        """Trading time from the first session up to each moment, microseconds."""
        part = np.maximum(np.searchsorted(self.opens, time, side="right") - 1, 0)
        inside = np.clip(time - self.opens[part], 0, self.closes[part] - self.opens[part])
        return np.asarray(self.traded[part] + inside)

    def missing(self, interval: str, before: Times, after: Times) -> NDArray[np.int64]:
        """Bars that the exchange has between two that begin at these times."""
        if interval == "1d":
            first = np.searchsorted(self.days, self.day_of(before), side="right")
            return np.asarray(np.maximum(np.searchsorted(self.days, self.day_of(after)) - first, 0))
        step = STEP[interval]
        elapsed = self.traded_upto(after) - self.traded_upto(np.minimum(before + step, after))
        return np.asarray(elapsed // step)

    def time_after(self, interval: str, begin: Times, bars: int) -> Times:
        """When so many bars have ended after the one that begins then."""
        if interval == "1d":
            day = self.day_of(begin)
            last = self.days[np.searchsorted(self.days, day, side="right") + bars - 1]
            return np.asarray(begin + (last - day + 1) * DAY)
        wanted = self.traded_upto(begin + STEP[interval]) + bars * STEP[interval]
        part = np.searchsorted(self.traded, wanted) - 1
        return np.asarray(self.opens[part] + wanted - self.traded[part])

    def covers(self, before: Times, after: Times) -> NDArray[np.bool_]:
        """Whether the calendar knows the time between the two."""
        return np.asarray((before >= self.opens[0] - DAY) & (after <= self.closes[-1] + DAY))


@cache
def calendar_of(currency: str) -> Calendar | None:
    """The sessions of the exchange whose shares are quoted in a currency; None without a calendar."""
    exchange = exchanges().get(currency)
    return None if exchange is None else _calendar(exchange)


def _calendar(exchange: Exchange) -> Calendar:
    # The library loads pandas and takes a second: only a process that meets shares pays for it.
    import exchange_calendars

    kind = type(exchange_calendars.get_calendar(exchange.calendar))
    first, last = (f"{bound:%Y-%m-%d}" if bound else None for bound in (kind.bound_min(), kind.bound_max()))
    known = exchange_calendars.get_calendar(
        exchange.calendar, start=max(FIRST, first or FIRST), end=min(LAST, last or LAST)
    )
    feasts = public_holidays(exchange.closed_on_holidays_of) if exchange.closed_on_holidays_of else ()
    days = known.schedule.index.to_numpy().astype("datetime64[D]")
    is_open = ~np.isin(days, np.array(list(feasts), dtype="datetime64[D]"))
    schedule, days = known.schedule[is_open], days[is_open]
    opens, closes, pauses, resumes = (
        schedule[name].to_numpy(dtype="datetime64[us]")
        for name in ("open", "close", "break_start", "break_end")
    )
    if exchange.pause:
        pauses, resumes = pauses_of(exchange, days, str(known.tz))
    paused = ~np.isnat(pauses)
    begins = np.sort(np.concatenate([opens, resumes[paused]])).astype(np.int64)
    ends = np.sort(np.concatenate([closes, pauses[paused]])).astype(np.int64)
    trading = (closes - opens).astype(np.int64) - np.where(paused, (resumes - pauses).astype(np.int64), 0)
    by_year = np.unique(days.astype("datetime64[Y]"), return_counts=True)[1]
    return Calendar(
        zone=str(known.tz),
        days=days.astype(np.int64),
        opens=begins,
        closes=ends,
        traded=np.concatenate([[0], (ends - begins).cumsum()[:-1]]),
        a_year=int(np.median(by_year)),
        a_day=int(np.median(trading)),
    )


def calendar_names() -> set[str]:
    """Names that a calendar may have."""
    import exchange_calendars

    return set(exchange_calendars.get_calendar_names())


def pauses_of(exchange: Exchange, days: NDArray[Any], zone: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """(begin, end) of the pause at noon on each day, UTC."""
    assert exchange.pause is not None
    pauses = [
        exchange.friday_pause if exchange.friday_pause and day.weekday() == FRIDAY else exchange.pause
        for day in days.tolist()
    ]
    begin, end = (
        np.array(
            [
                datetime.combine(day, pause[which], ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
                for day, pause in zip(days.tolist(), pauses, strict=True)
            ],
            dtype="datetime64[us]",
        )
        for which in (0, 1)
    )
    return begin, end


def public_holidays(country: str) -> Iterable[date]:
    """The public holidays of a country and its days of joint leave, those of coming years estimated."""
    kinds = holidays.country_holidays(country).supported_categories
    years = range(int(FIRST[:4]), int(LAST[:4]) + 1)
    return holidays.country_holidays(country, years=years, categories=kinds)


def missing_bars(
    asset_class: str, currency: str | None, interval: str, before: Times, after: Times
) -> NDArray[np.int64]:
    """(pairs,) bars missing between those that begin at `before` and at `after`.

    Coins are traded at all times, shares in the sessions of their exchange. Without a calendar only days
    beyond LONGEST_BREAK_DAYS count.
    """
    if asset_class != "equity":
        return np.asarray(np.maximum((after - before) // STEP[interval], 1) - 1)
    days = (after - before) // DAY
    unknown = np.where(days > LONGEST_BREAK_DAYS, days - 1, 0)
    known = calendar_of(currency) if currency else None
    if known is None:
        return unknown
    return np.where(known.covers(before, after), known.missing(interval, before, after), unknown)


def bars_since(exchange: str | None, interval: str, begin: datetime, at: datetime) -> int:
    """Bars that have ended since the end of the one that begins at `begin`.

    `exchange`: currency of its shares; None: of a coin. Of shares without a calendar counted like coins.
    """
    times = (np.array([(time - SINCE) // MICROSECOND]) for time in (begin, at))
    asset_class = "equity" if exchange and calendar_of(exchange) else "crypto"
    return int(missing_bars(asset_class, exchange, interval, *times)[0])


def time_after_bars(exchange: str | None, interval: str, begin: datetime, bars: int) -> datetime:
    """The first moment at which `bars_since` is `bars`."""
    known = calendar_of(exchange) if exchange else None
    first = np.array([(begin - SINCE) // MICROSECOND])
    if known is None or not known.covers(first, first + (2 * bars + LONGEST_BREAK_DAYS) * DAY)[0]:
        return begin + (bars + 1) * INTERVALS[interval]
    return SINCE + int(known.time_after(interval, first, bars)[0]) * MICROSECOND


def bars_a_year(asset_class: str, currency: str, interval: str) -> int:
    """Bars of a year, by which a volatility is annualised; of shares without a calendar those of New York."""
    if asset_class != "equity":
        return COIN_DAYS * (DAY // STEP[interval])
    known = calendar_of(currency) or calendar_of(DEFAULT_CURRENCY)
    assert known is not None
    return known.a_year * (1 if interval == "1d" else known.a_day // STEP[interval])
