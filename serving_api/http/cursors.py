"""Signed page cursors that hold the sort key of the last row, and the time ranges of queries."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pyarrow.compute as pc
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from conf.settings import settings
from lakehouse.event import parse_time
from lakehouse.reference import DEFAULT_TIMEZONE
from lakehouse.times import utc_text
from serving_api.http.problems import Problem, invalid

Key = tuple[Any, ...]
DEFAULT_RANGE = timedelta(days=30)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)  # both leave room for time arithmetic
LATEST = datetime(2900, 1, 1, tzinfo=UTC)


class Cursors:
    """Opaque signed cursors. One is valid for a day and for the filters that it was made with."""

    def __init__(self, secret: bytes) -> None:
        self._signed = URLSafeTimedSerializer(
            secret, "cursor", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def encode(self, last: Key, filters: str) -> str:
        """The cursor of the page after the row with sort key `last`."""
        return str(self._signed.dumps([last, filters]))

    def decode(self, cursor: str | None, filters: str) -> Key | None:
        """The sort key in the cursor; None for the first page.

        Raises Problem 422 (forged) or 410 (expired).
        """
        if cursor is None:
            return None
        try:
            last, valid_for = self._signed.loads(cursor, max_age=settings().api.cursor_ttl_seconds)
        except SignatureExpired:
            raise Problem("cursor-expired") from None
        except BadData:
            text = "this cursor was not issued by this service"
            raise invalid("/cursor", "cursor_format", text) from None
        if valid_for != filters:
            raise Problem("cursor-expired")
        return tuple(last)


def filters_of(path: str, parameters: dict[str, Any]) -> str:
    """Fingerprint of a list's address and filters, whichever page of it, how large and in which form."""
    filters = {
        name: str(value)
        for name, value in parameters.items()
        if name not in ("cursor", "limit", "format") and value is not None
    }
    return hashlib.sha256(orjson.dumps([path, filters], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


@dataclass(frozen=True)
class TimeRange:
    """[start, end) in UTC; `end` None is open.

    `first_day` and `end_day`: of an end that is a market day, which begins at another time in each time zone.
    """

    start: datetime
    end: datetime | None
    first_day: date | None = None
    end_day: date | None = None

    def __str__(self) -> str:
        """The key under which a response is cached."""
        return f"{self.start}/{self.end}/{self.first_day}/{self.end_day}"

    def of_prices(self) -> pc.Expression:
        """The rows of a table with `event_time` and `market_date`: days by the date, times by the time."""
        if self.first_day is not None:
            condition = pc.field("market_date") >= self.first_day
        else:
            condition = pc.field("event_time") >= self.start
        if self.end_day is not None:
            condition &= pc.field("market_date") < self.end_day
        elif self.end is not None:
            condition &= pc.field("event_time") < self.end
        return condition

    def as_meta(self) -> dict[str, str | None]:
        """The range as `meta.range` shows it."""
        return {"from": utc_text(self.start), "to": utc_text(self.end) if self.end else None}


def parse_bound(text: str, name: str, zone: str) -> tuple[datetime, date | None]:
    """(a time with offset, or a date as midnight in `zone`, in UTC; the date). Raises Problem 422."""
    day: date | None = None
    bound: datetime | None = None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = min(max(date.fromisoformat(text), EARLIEST.date()), LATEST.date())
            bound = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
        else:
            bound = parse_time(text.replace(" ", "+"))  # a + that was not escaped arrives as a space
        if bound is not None:
            return min(max(bound, EARLIEST), LATEST).astimezone(UTC), day
    except (ValueError, OverflowError):
        pass  # refused below, like any other text that is not a time
    raise invalid(
        f"/{name}", "time_format", f"{name} is neither an RFC 3339 time with its offset nor a date YYYY-MM-DD"
    )


def day_after(newest: date, zone: str) -> date:
    """The day that follows a local day, or the local day of a time."""
    day = newest.astimezone(ZoneInfo(zone)).date() if isinstance(newest, datetime) else newest
    return min(day, LATEST.date()) + timedelta(days=1)


def time_range(
    start: str | None, end: str | None, newest: date | None = None, zone: str = DEFAULT_TIMEZONE
) -> TimeRange:
    """The requested range. Without a start, the 30 days before the end. Raises Problem 422.

    Without both, the 30 days that end with `newest`, the newest day or time of the table: its data may end
    years before today. An empty table has no `newest`; then they end with today.
    """
    if not start and not end:
        end = day_after(newest or datetime.now(UTC), zone).isoformat()
    until, end_day = parse_bound(end, "to", zone) if end else (None, None)
    if start:
        since, first_day = parse_bound(start, "from", zone)
    else:
        since = (until or LATEST) - DEFAULT_RANGE
        first_day = end_day - DEFAULT_RANGE if end_day else None
    if until is not None and since >= until:
        raise invalid("/from", "range_order", "from is not before to")
    return TimeRange(since, until, first_day, end_day)
