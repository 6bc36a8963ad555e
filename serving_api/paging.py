"""Pages and time ranges: signed cursors that name the last row seen, and `from`/`to` as the market's clock reads them."""

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from conf.settings import settings
from lakehouse.event import parse_time
from lakehouse.reference import DEFAULT_TIMEZONE
from serving_api.problems import Problem, invalid

Key = tuple[Any, ...]
DEFAULT_RANGE = timedelta(days=30)
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2900, 1, 1, tzinfo=UTC)  # room for arithmetic around them


class Cursors:
    """Opaque, signed, good for a day and for the same filters only."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._secret, body, hashlib.sha256).digest()[:16]

    def make(self, last: Key, filters: str) -> str:
        """The cursor behind the row with this sort key."""
        expires = int(time.time()) + settings().api.cursor_ttl_seconds
        body = orjson.dumps([list(last), filters, expires])
        return base64.urlsafe_b64encode(self._signature(body) + body).decode().rstrip("=")

    def read(self, cursor: str | None, filters: str) -> Key | None:
        """The sort key of the last row seen; None on the first page. Raises Problem 422 (made up) or 410 (expired)."""
        if cursor is None:
            return None
        try:
            whole = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise invalid("/cursor", "cursor_format", "this is not a cursor that was given out here") from None
        signature, body = whole[:16], whole[16:]
        if not hmac.compare_digest(signature, self._signature(body)):
            raise invalid("/cursor", "cursor_format", "this is not a cursor that was given out here")
        last, made_for, expires = orjson.loads(body)
        if made_for != filters or expires < time.time():
            raise Problem("cursor-expired")
        return tuple(last)


def filters_of(path: str, parameters: dict[str, Any]) -> str:
    """What a cursor is bound to: the address and everything asked, except which page and how large."""
    asked = {name: str(value) for name, value in parameters.items() if name not in ("cursor", "limit") and value is not None}
    return hashlib.sha256(orjson.dumps([path, asked], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


@dataclass(frozen=True)
class Range:
    """[start, end) in UTC; `end` None is open."""

    start: datetime
    end: datetime | None

    def __str__(self) -> str:
        """To the minute: what an answer for a moving range is remembered by."""
        return f"{self.start:%Y-%m-%dT%H:%M}/{self.end}"


def moment(text: str, name: str, zone: str) -> datetime:
    """A time with offset, or a day read as its local midnight. Raises Problem 422."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            found = datetime.combine(date.fromisoformat(text), datetime.min.time(), ZoneInfo(zone))
        else:
            found = parse_time(text.replace(" ", "+"))  # a + that was not escaped arrives as a space
        if found is not None:
            return min(max(found, EARLIEST), LATEST).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # told below, like any other text that is no time
    raise invalid(f"/{name}", "time_format", f"{name} is neither an RFC 3339 time with its offset nor a date YYYY-MM-DD")


def time_range(start: str | None, end: str | None, zone: str = DEFAULT_TIMEZONE) -> Range:
    """The range asked for; without a start the 30 days before the end. Raises Problem 422."""
    until = moment(end, "to", zone) if end else None
    since = moment(start, "from", zone) if start else (until or datetime.now(UTC)) - DEFAULT_RANGE
    if until is not None and since >= until:
        raise invalid("/from", "range_order", "from is not before to")
    return Range(since, until)
