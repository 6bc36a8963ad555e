"""Lengths of bars and sessions of exchanges: bars of a year, gaps, pauses, feasts, usual moves."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from lakehouse.trading.bars import INTERVALS
from lakehouse.trading.exchanges import exchanges
from lakehouse.trading.sessions import (
    Times,
    bars_a_year,
    bars_since,
    calendar_names,
    calendar_of,
    missing_bars,
    time_after_bars,
)
from lakehouse.validation.kinds.bars import return_limit

LEAST_CLOSURES = 15  # working days a year on which Jakarta is closed


def at(*moments: str) -> Times:
    return np.array([int(datetime.fromisoformat(each).timestamp() * 1e6) for each in moments])


@pytest.mark.parametrize(
    ("asset_class", "currency", "interval", "bars"),
    [
        ("crypto", "USDT", "1d", 365),
        ("crypto", "USDT", "5m", 365 * 288),
        ("crypto", "USDT", "1m", 365 * 1440),
        ("equity", "USD", "1d", 252),
        ("equity", "USD", "15m", 252 * 26),
        ("equity", "USD", "1m", 252 * 390),
        ("equity", "EUR", "5m", 254 * 102),  # Xetra is open longer than New York
        ("equity", "CNY", "5m", 243 * 48),  # without the pause at noon
        ("equity", "XYZ", "5m", 252 * 78),  # no calendar
    ],
)
def test_bars_of_a_year(asset_class: str, currency: str, interval: str, bars: int):
    assert bars_a_year(asset_class, currency, interval) == bars


@pytest.mark.parametrize(
    ("currency", "interval", "before", "after", "missing"),
    [
        ("USD", "1d", "2024-12-24T00:00Z", "2024-12-26T00:00Z", 0),  # Christmas
        ("USD", "1d", "2024-12-24T00:00Z", "2024-12-27T00:00Z", 1),
        ("USD", "1d", "2024-12-24T00:00-05:00", "2024-12-26T00:00-05:00", 0),  # the day of the exchange
        ("USD", "5m", "2024-12-24T12:55-05:00", "2024-12-26T09:30-05:00", 0),  # closes at one on that day
        ("USD", "5m", "2024-12-24T12:50-05:00", "2024-12-26T09:35-05:00", 2),
        ("USD", "1m", "2024-07-01T15:59-04:00", "2024-07-02T09:30-04:00", 0),  # a night
        ("CNY", "1m", "2024-12-24T11:29+08:00", "2024-12-24T13:00+08:00", 0),  # noon
        ("CNY", "1m", "2024-12-24T11:28+08:00", "2024-12-24T13:00+08:00", 1),
        ("IDR", "5m", "2026-11-24T11:55+07:00", "2026-11-24T13:30+07:00", 0),  # noon on a Tuesday
        ("IDR", "5m", "2026-11-27T11:25+07:00", "2026-11-27T14:00+07:00", 0),  # and on a Friday
        ("IDR", "5m", "2026-11-27T11:20+07:00", "2026-11-27T14:05+07:00", 2),
        ("IDR", "1d", "2026-03-17T00:00Z", "2026-03-25T00:00Z", 0),  # Nyepi and Idul Fitri with joint leave
        ("XYZ", "1d", "2024-12-01T00:00Z", "2024-12-12T00:00Z", 0),  # no calendar: up to 11 days are no gap
        ("XYZ", "1d", "2024-12-01T00:00Z", "2024-12-13T00:00Z", 11),
        ("CNY", "1d", "2036-12-01T00:00Z", "2036-12-12T00:00Z", 0),  # later than the calendar reaches
    ],
)
def test_gaps_between_bars_of_shares(currency: str, interval: str, before: str, after: str, missing: int):
    assert missing_bars("equity", currency, interval, at(before), at(after)).tolist() == [missing]


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_step_of_a_coin_counts(interval: str):
    step = INTERVALS[interval]
    begin = datetime(2024, 1, 5, tzinfo=UTC)
    before, after = at(*[begin.isoformat()] * 3), at(*[(begin + n * step).isoformat() for n in (1, 2, 9)])
    assert missing_bars("crypto", "USDT", interval, before, after).tolist() == [0, 1, 8]


def test_this_year_jakarta_is_closed_on_its_movable_feasts():
    calendar = calendar_of("IDR")
    assert calendar is not None
    year = date.today().year
    days = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
    weekdays = days[np.is_busday(days)]
    closures = weekdays[~np.isin(weekdays.astype(np.int64), calendar.days)]
    assert len(closures) >= LEAST_CLOSURES


def test_every_listed_exchange_has_a_calendar():
    assert {each.calendar for each in exchanges().values()} <= calendar_names()


def test_usual_return_of_a_night_is_that_of_a_day():
    assert return_limit("equity", "5m", 1) == 0.1 and return_limit("equity", "5m", 200) == 0.25
    assert return_limit("crypto", "15m", 4) == 0.2 and return_limit("crypto", "1d", 1) == 0.5


@pytest.mark.parametrize(
    ("exchange", "interval", "begin", "bars", "until"),
    [
        (None, "5m", "2026-01-02T23:55Z", 2, "2026-01-03T00:10Z"),
        (None, "1d", "2026-01-02T00:00Z", 5, "2026-01-08T00:00Z"),
        ("USD", "1d", "2026-01-02T00:00Z", 1, "2026-01-06T00:00Z"),  # of Friday until Monday has ended
        ("USD", "1d", "2026-01-16T00:00Z", 1, "2026-01-21T00:00Z"),  # the Monday is a holiday
        ("USD", "5m", "2026-01-02T20:55Z", 2, "2026-01-05T14:40Z"),
        ("USD", "5m", "2026-01-02T20:50Z", 1, "2026-01-02T21:00Z"),
        ("XXX", "1d", "2026-01-02T00:00Z", 2, "2026-01-05T00:00Z"),  # no calendar: like a coin
    ],
)
def test_bars_after_a_bar_end_when_they_are_counted(
    exchange: str | None, interval: str, begin: str, bars: int, until: str
):
    first = datetime.fromisoformat(begin)
    end = time_after_bars(exchange, interval, first, bars)
    assert end == datetime.fromisoformat(until)
    assert bars_since(exchange, interval, first, end) == bars
    assert bars_since(exchange, interval, first, end - timedelta(microseconds=1)) == bars - 1
