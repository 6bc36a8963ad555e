"""One payload field of a published file: where its text stands and how it becomes a value. Data of conf/sources/*.yml."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lakehouse.event import parse_time
from lakehouse.reference import DEFAULT_TIMEZONE

Value = str | float | int
DIGEST_DIGITS = 16  # hex: 64 bits tell a billion texts apart
ISO = {  # patterns that fromisoformat reads, in a tenth of strptime's time
    "%Y-%m-%d": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "%Y-%m-%d %H:%M:%S": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII),
}
LENGTHS = {"month": 7, "date": 10, "time": None}  # of RFC 3339 time: characters that are kept


@lru_cache(maxsize=4096)
def moment_of(text: str, pattern: str, zone: str) -> datetime | None:
    """A naive time in its zone; None when it does not fit the pattern."""
    quick = pattern in ISO and ISO[pattern].fullmatch(text)
    try:
        naive = datetime.fromisoformat(text) if quick else datetime.strptime(text, pattern)
        return naive.replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def local_time(text: str, pattern: str, zone: str, lag_seconds: int = 0) -> tuple[str, float] | None:
    """(RFC 3339 with offset, epoch seconds) of a naive time in a zone, `lag_seconds` later; None when it does not fit."""
    moment = moment_of(text, pattern, zone)
    try:
        later = moment + timedelta(seconds=lag_seconds) if moment and lag_seconds else moment
    except OverflowError:  # behind the year 9999
        return None
    return (later.isoformat(), later.timestamp()) if later else None


def number(text: str, whole: bool = False) -> Value:
    """The number that a text says; what is no number to JSON stays text, for the stream to judge."""
    try:
        found = float(text)
    except ValueError:
        return text
    if found - found != 0 or "_" in text:  # nan or infinite; 1_000 is a number to Python alone
        return text
    return int(found) if whole and found == int(found) else found


class FieldMap(BaseModel):
    """Where a payload field comes from (exactly one of column, constant, origin, digest) and how its text becomes a value."""

    model_config = ConfigDict(extra="forbid")
    column: str | None = None
    constant: str | float | None = None
    origin: str | None = None  # file_stem, event_time, cell, province_market, or a named part of the format's file_name
    digest: tuple[str, ...] = ()  # a name made of these columns: the same texts, the same name
    as_: Literal["text", "number", "integer", "month", "date", "time"] = Field(default="text", alias="as")
    strip: tuple[str, ...] = ()
    thousands: str = ""
    decimal: str = "."
    format: str | None = None  # strptime pattern of a date or time
    zone: str = DEFAULT_TIMEZONE  # of a time
    missing: tuple[str, ...] = ()  # texts that say "not measured": the field is left out
    values: dict[str, str | float] = {}  # what the file says -> what is meant; a part of a file name must be listed

    @model_validator(mode="after")
    def one_source(self) -> "FieldMap":
        if sum(given is not None for given in (self.column, self.constant, self.origin, self.digest or None)) != 1:
            raise ValueError("exactly one of column, constant, origin and digest must be given")
        if (self.as_ in LENGTHS) != (self.format is not None):
            raise ValueError("a month, date or time needs its format, and nothing else has one")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the field is read from."""
        return (self.column,) if self.column else self.digest

    def value(self, text: str) -> Value:
        """The value of a text; one that does not fit stays text, for the stream to judge."""
        return self.converter()(text)

    def converter(self) -> Callable[[str], Value]:
        """`value`, made once for many texts."""
        values, pattern, zone, whole = self.values, self.format, self.zone, self.as_ == "integer"
        if values:
            return lambda text: values.get(text, text)
        if self.as_ == "text":
            return lambda text: text
        if pattern:
            length = LENGTHS[self.as_]
            return lambda text: known[0][:length] if (known := local_time(text, pattern, zone)) else text
        if self.strip or self.thousands or self.decimal != ".":
            return self._marked_number
        return lambda text: number(text, whole)

    def _marked_number(self, text: str) -> Value:
        plain = text
        for mark in (*self.strip, self.thousands):
            plain = plain.replace(mark, "") if mark else plain
        found = number(plain.strip().replace(self.decimal, "."), self.as_ == "integer")
        return text if isinstance(found, str) else found

    def reader(self, header: list[str], origins: Mapping[str, str]) -> Callable[[list[str]], Value | None]:
        """A function cells -> value, None to leave the field out. `origins`: what the file's name says, by name."""
        if self.constant is not None or self.origin is not None:
            fixed = self.constant if self.origin is None else self.value(origins[self.origin])
            return lambda cells: fixed
        if self.digest:
            places = [header.index(column) for column in self.digest]
            return lambda cells: _digest(cells[place] for place in places)
        if self.column not in header:
            return lambda cells: None
        at, missing, value = header.index(self.column), frozenset(self.missing), self.converter()
        if missing:
            return lambda cells: value(cells[at]) if cells[at] and cells[at].strip() not in missing else None
        return lambda cells: value(cells[at]) if cells[at] else None


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST_DIGITS]


class TimeMap(BaseModel):
    """The column that holds the time. `format`: rfc3339 (passed on) or a strptime pattern read in `zone`."""

    model_config = ConfigDict(extra="forbid")
    column: str
    format: str
    zone: str = "region"
    lag_seconds: int = 0  # what the row says is known this long after the time that it bears

    @field_validator("lag_seconds")
    @classmethod
    def no_lag_backwards(cls, seconds: int) -> int:
        if seconds < 0:
            raise ValueError("nothing is known before it happened")
        return seconds

    def read(self, text: str, before: float, zone: str = DEFAULT_TIMEZONE) -> tuple[str, float]:
        """(event_time of the payload, epoch seconds: those of the row before when it cannot be read). `zone`: of the region."""
        if self.format == "rfc3339":
            moment = parse_time(text)
            return text, moment.timestamp() if moment else before
        known = local_time(text, self.format, zone if self.zone == "region" else self.zone, self.lag_seconds)
        return known or (text, before)
