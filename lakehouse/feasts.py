"""Public holidays and joint leave of Indonesia, which are known long ahead."""

from datetime import date
from functools import cache

import holidays

EID = "Eid al-Fitr"
EID_REACH_DAYS = 7  # before and after: people travel and freight moves


@cache
def holidays_of(year: int) -> dict[date, str]:
    """Day -> English name or names, joined by "; "."""
    return dict(
        holidays.country_holidays("ID", years=year, language="en_US", categories=("public", "government"))
    )


@cache
def feast_days_of(year: int, name: str) -> tuple[date, ...]:
    """Days of the year that bear the English name of a feast, estimated ones included."""
    return tuple(
        day
        for day, names in sorted(holidays_of(year).items())
        if names.replace(" (estimated)", "").split("; ")[0] == name
    )


def is_near_eid(day: date) -> bool:
    """Whether Idul Fitri lies within a week before or after the day."""
    days = (feast for year in (day.year - 1, day.year, day.year + 1) for feast in feast_days_of(year, EID))
    return any(abs((feast - day).days) <= EID_REACH_DAYS for feast in days)
