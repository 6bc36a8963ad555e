"""Indonesian feasts and holidays, which are known long ahead.

Per calendar day, the distance to the nearest one.
"""

import numpy as np
import numpy.typing as npt

from lakehouse.feasts import feast_days_of, holidays_of
from ml.data.panel import Days, Floats

Flags = npt.NDArray[np.bool_]
FEASTS = {"fitri": "Eid al-Fitr", "adha": "Eid al-Adha", "natal": "Christmas Day"}
RAMADAN_DAYS = 30  # before Idul Fitri
PAY_DAYS = (25, 1, 2)  # of the month: wages are paid between the 25th and the 1st
FAR_DAYS = 45  # longer distances are clipped to it


def _years(days: Days) -> range:
    """The calendar years of the days, and one on either side."""
    first = int(days[0].astype("datetime64[Y]").astype(int)) + 1970
    last = int(days[-1].astype("datetime64[Y]").astype(int)) + 1970
    return range(first - 1, last + 2)


def feast_days(days: Days, feast: str) -> Days:
    """(feasts,) ascending days of a feast (a key of FEASTS) in the years of `days` and one on either side."""
    dates = [day for year in _years(days) for day in feast_days_of(year, FEASTS[feast])]
    return np.array(sorted(dates), dtype="datetime64[D]")


def distance(days: Days, feast: str) -> Floats:
    """(days,) days since the nearest such feast, negative before it, clipped to ± FAR_DAYS."""
    away = (days[:, None] - feast_days(days, feast)[None, :]).astype(np.float64)
    nearest = np.take_along_axis(away, np.abs(away).argmin(axis=1)[:, None], axis=1)[:, 0]
    return np.clip(nearest, -FAR_DAYS, FAR_DAYS)


def ramadan(days: Days) -> Flags:
    """(days,) whether a day lies in the fasting month."""
    away = (days[:, None] - feast_days(days, "fitri")[None, :]).astype(int)
    return np.asarray(np.any((away >= -RAMADAN_DAYS) & (away < 0), axis=1))


def is_holiday(days: Days) -> Flags:
    """(days,) public holidays and joint leave."""
    listed = {day for year in _years(days) for day in holidays_of(year)}
    return np.isin(days, np.array(sorted(listed), dtype="datetime64[D]"))


def holidays_within(days: Days, horizon: int) -> Floats:
    """(days,) how many of the next `horizon` days are holidays."""
    ahead = is_holiday(np.arange(days[0], days[-1] + horizon + 1))
    total = np.concatenate([[0], np.cumsum(ahead)])
    column = np.arange(len(days))
    return np.asarray((total[column + horizon + 1] - total[column + 1]).astype(np.float64))


def weekday(days: Days) -> Floats:
    """(days,) 0 Monday to 6 Sunday."""
    return ((days.astype(np.int64) + 3) % 7).astype(np.float64)  # 1970-01-01 was a Thursday


def day_of_year(days: Days) -> Floats:
    """(days,) 0 on 1 January."""
    return np.asarray((days - days.astype("datetime64[Y]")).astype(np.float64))


def pay_days(days: Days) -> Flags:
    """(days,) whether wages are usually paid on that day."""
    of_month = (days - days.astype("datetime64[M]")).astype(int) + 1
    return np.asarray((of_month >= PAY_DAYS[0]) | np.isin(of_month, PAY_DAYS[1:]))
