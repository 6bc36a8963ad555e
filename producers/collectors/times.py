"""Days as sources write them. What cannot be read is passed on as it is: the stream refuses it."""

from datetime import datetime, timedelta
from typing import Any

from lakehouse.io.source_files.field_map import moment_of
from lakehouse.reference import DEFAULT_TIMEZONE

DAY_CHARACTERS = 10
DAY_PATTERNS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y")


def _day(text: Any, zone: str) -> datetime | None:
    """Local midnight of the day that begins a text; None when it is no day."""
    if not isinstance(text, str):
        return None
    moments = (moment_of(text[:DAY_CHARACTERS], pattern, zone) for pattern in DAY_PATTERNS)
    return next((moment for moment in moments if moment), None)


def iso_day(text: Any) -> Any:
    """YYYY-MM-DD of a day in any of the patterns."""
    moment = _day(text, DEFAULT_TIMEZONE)
    return f"{moment:%Y-%m-%d}" if moment else text


def begin_of(text: Any, zone: str) -> Any:
    """RFC 3339 of the day's local midnight."""
    moment = _day(text, zone)
    return moment.isoformat() if moment else text


def end_of(text: Any, zone: str) -> Any:
    """RFC 3339 of the local midnight that ends the day: what is measured over a day is known then."""
    moment = _day(text, zone)
    return (moment + timedelta(days=1)).isoformat() if moment else text


def jakarta_time(text: Any, pattern: str) -> Any:
    """RFC 3339 of a time of Jakarta in the pattern."""
    moment = moment_of(text, pattern, DEFAULT_TIMEZONE) if isinstance(text, str) else None
    return moment.isoformat() if moment else text
