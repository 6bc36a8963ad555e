"""Times and days as text: RFC 3339 with its offset, and YYYY-MM-DD."""

import re
from datetime import UTC, date, datetime

# Without the first year and the last: a time zone can move such a time out of the calendar. Means the same in
# Python and Java.
YEARS_LEFT_OUT = ("0000", "0001", "9999")
YEAR = "(?!" + "|".join(YEARS_LEFT_OUT) + r")\d{4}"
RFC3339 = YEAR + r"-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"
DAY = YEAR + r"-\d\d-\d\d"


def rfc3339(time: datetime) -> str:
    """UTC with microseconds and Z: texts of it sort by time."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc_text(time: datetime) -> str:
    """UTC with Z; microseconds only where there are any."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time with its offset, or None."""
    if not re.fullmatch(RFC3339, text):
        return None
    try:
        return datetime.fromisoformat(text.upper().replace(" ", "T"))
    except ValueError:
        return None


def parse_day(text: str) -> date | None:
    """A day written YYYY-MM-DD that the calendar has, or None."""
    if not re.fullmatch(DAY, text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
