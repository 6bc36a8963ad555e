"""One payload field of a published file: where its text is read and how it becomes a value."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lakehouse.event import parse_time
from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    market_id_of,
    matching_key,
    provinces,
    region_aliases,
    slug,
)

Value = str | float | int
Column = str | tuple[str, ...]  # a name, or several whose texts are read as one
ValueType = Literal[
    "text", "number", "integer", "month", "date", "time", "market", "province", "id", "identifier"
]
RFC3339 = "rfc3339"
FACTOR_DECIMALS = 12  # 29 x 0.01 is 0.29000000000000004
LARGEST_WHOLE = 2**53 - 1  # that JSON holds exactly
IDENTIFIER_DIGITS = 13  # hex: less than LARGEST_WHOLE
DIGEST_DIGITS = 16  # hex: 64 bits are enough for a billion different texts
KEPT_CHARACTERS = {"month": 7, "date": 10, "time": None}  # of an RFC 3339 time; None: all


# The first of each is what strptime reads for %b or %a; the others are spellings of it, Indonesian first.
MONTHS = (
    "Jan Januari January",
    "Feb Februari Pebruari February",
    "Mar Maret March",
    "Apr April",
    "May Mei",
    "Jun Juni June",
    "Jul Juli July",
    "Aug Agustus Agu Ags Agt August",
    "Sep September Sept",
    "Oct Oktober Okt October",
    "Nov November Nopember Nop",
    "Dec Desember Des December",
)
DAYS = (
    "Mon Senin Sen Monday",
    "Tue Selasa Sel Tuesday",
    "Wed Rabu Rab Wednesday",
    "Thu Kamis Kam Thursday",
    "Fri Jumat Jum Friday",
    "Sat Sabtu Sab Saturday",
    "Sun Minggu Min Ahad Sunday",
)
SHORT = {name.lower(): spellings.split()[0] for spellings in (*MONTHS, *DAYS) for name in spellings.split()}
SHORT_DIRECTIVES = {"%B": "%b", "%A": "%a"}
DIRECTIVE = re.compile("%.")
WEEK = "%K"  # number of a week in its month, which ends with the Sunday of that number; strptime has none
WORD = re.compile(r"[^\W\d_]+(?:['’`][^\W\d_]+)?")


def with_short_names(text: str, pattern: str) -> tuple[str, str]:
    """(text, pattern) with short English names where the pattern has %b, %B, %a or %A, else unchanged."""
    directives = DIRECTIVE.findall(pattern)
    if not {"%b", "%B", "%a", "%A"} & set(directives):
        return text, pattern
    short = DIRECTIVE.sub(lambda match: SHORT_DIRECTIVES.get(match[0], match[0]), pattern)
    return WORD.sub(lambda match: SHORT.get(re.sub("['’`]", "", match[0]).lower(), match[0]), text), short


@lru_cache(maxsize=4096)
def moment_of(text: str, pattern: str, zone: str) -> datetime | None:
    """The time in its zone; None when the text does not fit the strptime pattern."""
    text, pattern = with_short_names(text.strip(), pattern)
    try:
        moment = datetime.strptime(text, pattern.replace(WEEK, "%d")).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return None
    return sunday_of(moment) if WEEK in pattern else moment


def sunday_of(moment: datetime) -> datetime | None:
    """The Sunday with the number of `moment.day` in its month; None when there are not so many."""
    first = moment.replace(day=1)
    sunday = first + timedelta(days=6 - first.weekday() + 7 * (moment.day - 1))
    return sunday if sunday.month == moment.month else None


@lru_cache(maxsize=4096)
def local_time(text: str, pattern: str, zone: str, lag_seconds: int = 0) -> tuple[str, float] | None:
    """(RFC 3339 with offset, epoch seconds) of a time in its zone plus `lag_seconds`.

    None when the text does not fit the strptime pattern.
    """
    moment = moment_of(text, pattern, zone)
    try:
        later = moment + timedelta(seconds=lag_seconds) if moment and lag_seconds else moment
    except OverflowError:  # after the year 9999
        return None
    return (later.isoformat(), later.timestamp()) if later else None


def number(text: str, whole: bool = False) -> Value:
    """The number in the text, an int if `whole`. A text that is no JSON number is returned as it is."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value) or "_" in text:  # 1_000 is a number to Python alone
        return text
    return int(value) if whole and value == int(value) else value


def province_market(name: str) -> str:
    """The id under which the prices of a whole province are kept; an unknown name stays as it is."""
    code = region_aliases().get(matching_key(name))
    return provinces()[code].market_id if code else name


def identifier(text: str) -> Value:
    """A whole number that identifies the text: itself when it is one, else 52 bits of its SHA-256."""
    plain = text.strip()
    if plain.isascii() and plain.isdigit() and 0 < int(plain) <= LARGEST_WHOLE:
        return int(plain)
    return 1 + int(_digest([plain])[:IDENTIFIER_DIGITS], 16)


NAMES: dict[str, Callable[[str], Value]] = {
    "market": market_id_of,
    "province": province_market,
    "id": slug,
    "identifier": identifier,
}


def checked_pattern(pattern: str) -> str:
    """The strptime pattern. Raises ValueError for one that strptime cannot read."""
    a_day = datetime(2024, 12, 31)
    try:
        plain = pattern.replace(WEEK, "%d")
        datetime.strptime(a_day.strftime(plain), plain)
    except (ValueError, re.error) as error:
        raise ValueError(f"'{pattern}' is no strptime pattern: {error}") from None
    return pattern


def checked_zone(name: str) -> str:
    """The name of a time zone. Raises ValueError for an unknown one."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError(f"there is no time zone '{name}'; one is Asia/Jakarta") from None
    return name


def checked_patterns(patterns: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """The same pattern, or list of them. Raises ValueError as `checked_pattern`, and for an unusable list."""
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        checked_pattern(pattern)
    if not patterns or (isinstance(patterns, tuple) and RFC3339 in patterns):
        raise ValueError(f"a list needs strptime patterns alone; {RFC3339} is written without a list")
    return patterns


def zone_or_region(name: str) -> str:
    """The same, or `region`: the zone of the row's region."""
    return name if name == "region" else checked_zone(name)


def not_negative(seconds: int) -> int:
    """The same. Raises ValueError for a lag below 0."""
    if seconds < 0:
        raise ValueError("a row cannot be known before its time: give 0 or more")
    return seconds


def names_of(column: Column | None) -> tuple[str, ...]:
    """The names of a column, or of several that are read as one."""
    return (column,) if isinstance(column, str) and column else tuple(column or ())


def cell_reader(header: list[str], column: Column) -> Callable[[list[str]], str]:
    """A function cells -> text of the column; of several columns their texts with a space between."""
    first, *others = (header.index(name) for name in names_of(column))
    if not others:
        return lambda cells: cells[first]
    return lambda cells: " ".join(cells[position].strip() for position in (first, *others)).strip()


Pattern = Annotated[str, AfterValidator(checked_pattern)]


class SourceModel(BaseModel):
    """A part of a format as its YAML has it: no unknown keys, and numbers where texts are needed."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class FieldMap(SourceModel):
    """Where a payload field comes from and how its text becomes a value.

    Exactly one of column, constant, origin and digest is given.
    """

    column: Column | None = None  # several are read as one text, with a space between
    constant: str | float | None = None
    # file_stem, event_time, cell, column, province_market, or a named group of the format's file_name
    origin: str | None = None
    digest: tuple[str, ...] = ()  # hash of these columns: an id where the file has none
    as_: ValueType = Field(default="text", alias="as")
    prefix: str = ""  # before the value, which is a text then
    strip: tuple[str, ...] = ()
    thousands: str = ""
    decimal: str = "."
    multiples: dict[str, float] = {}  # end of the text -> what the number before it is multiplied by
    factor: float = 1.0  # by which a number is multiplied: 0.01 for percent that are wanted as a fraction
    format: Pattern | None = None  # strptime pattern of a date or time
    zone: Annotated[str, AfterValidator(checked_zone)] = DEFAULT_TIMEZONE  # of a time
    end_of: Literal["month"] | None = None  # a time is moved to the end of its month
    lag_days: Annotated[int, AfterValidator(not_negative)] = 0  # added to a time: a source's publishing lag
    missing: tuple[str, ...] = ()  # texts that mean "not measured": the field is left out
    otherwise: str | float | None = None  # the value of a row whose text is empty or one of `missing`
    part: tuple[str, int] | None = (
        None  # separator, and which part of the text is read: 1 the first, -1 the last
    )
    less_than: str | None = None  # a column with the whole: the value is the share that is missing to it
    values: dict[str, str | float] = {}  # text in the file -> value; a group of a file name must be listed

    @model_validator(mode="after")
    def one_source(self) -> "FieldMap":
        sources = (self.column, self.constant, self.origin, self.digest or None)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("exactly one of column, constant, origin and digest must be given")
        if (self.as_ in KEPT_CHARACTERS) != (self.format is not None):
            raise ValueError("a month, date or time needs its format, and nothing else has one")
        if (self.end_of or self.lag_days) and self.as_ != "time":
            raise ValueError("end_of and lag_days are for a time")
        if self.part and (not self.part[0] or not self.part[1]):
            raise ValueError(
                'part: a separator and a number are needed, such as ["|", 1]; -1 is the last part'
            )
        if self.less_than and (self.as_ != "number" or not isinstance(self.column, str)):
            raise ValueError("less_than: needs `column` and `as: number`")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the field is read from."""
        return (*(names_of(self.column) or self.digest), *names_of(self.less_than))

    def value(self, text: str) -> Value:
        """The value of a text; one that does not fit stays text: the stream validates it."""
        return self.converter()(text)

    def converter(self) -> Callable[[str], Value]:
        """A function text -> value, prepared once for many texts."""
        convert = self._plain_converter()
        return (lambda text: f"{self.prefix}{convert(text)}") if self.prefix else convert

    def _plain_converter(self) -> Callable[[str], Value]:
        if self.values:
            return lambda text: self.values.get(text, text)
        if self.as_ in NAMES:
            return NAMES[self.as_]
        if self.as_ == "text":
            return lambda text: text
        if self.format:
            return self._time
        if self.strip or self.thousands or self.decimal != "." or self.factor != 1 or self.multiples:
            return self._formatted_number
        whole = self.as_ == "integer"
        return lambda text: number(text, whole)

    def _time(self, text: str) -> Value:
        assert self.format is not None
        moment = moment_of(text, self.format, self.zone)
        if moment and self.end_of:
            moment = (moment.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
        if moment:
            moment += timedelta(days=self.lag_days)
        return moment.isoformat()[: KEPT_CHARACTERS[self.as_]] if moment else text

    def _formatted_number(self, text: str) -> Value:
        """The number in a text with currency signs, separators of thousands or a decimal comma."""
        plain = text
        for sign in (*self.strip, self.thousands):
            plain = plain.replace(sign, "") if sign else plain
        plain = plain.strip()
        end = next((end for end in self.multiples if plain.lower().endswith(end.lower())), "")
        factor = self.factor * self.multiples.get(end, 1)
        value = number(plain.removesuffix(plain[len(plain) - len(end) :]).strip().replace(self.decimal, "."))
        if isinstance(value, str):
            return text
        value = value if factor == 1 else round(value * factor, FACTOR_DECIMALS)
        return int(value) if self.as_ == "integer" and value == int(value) else value

    def reader(self, header: list[str], origins: Mapping[str, str]) -> Callable[[list[str]], Value | None]:
        """A function cells -> value; None leaves the field out. `origins`: values from the file's name."""
        if self.constant is not None or self.origin is not None:
            fixed = self.constant if self.origin is None else self.value(origins[self.origin])
            return lambda cells: fixed
        if self.digest:
            positions = [header.index(column) for column in self.digest]
            return lambda cells: _digest(cells[position] for position in positions)
        if self.column is None or not set(self.columns) <= set(header):
            return lambda cells: self.otherwise
        text_of = cell_reader(header, self.column)
        convert = self.converter()
        missing = frozenset(self.missing)
        if self.less_than:
            whole_of = cell_reader(header, self.less_than)

        def read(cells: list[str]) -> Value | None:
            text = text_of(cells)
            if not text or (missing and text.strip() in missing):
                return self.otherwise
            if self.part:
                text = part_of(text, *self.part)
            return share_less(convert(text), convert(whole_of(cells))) if self.less_than else convert(text)

        return read


def part_of(text: str, separator: str, number: int) -> str:
    """The part with this number, 1 the first and -1 the last; the whole text where there are fewer parts."""
    parts = text.split(separator)
    return parts[number - (number > 0)].strip() if abs(number) <= len(parts) else text


def share_less(value: Value, whole: Value) -> Value:
    """1 - value / whole: a discount. The value as it is where one of them is no number, or the whole is 0."""
    if isinstance(value, str) or isinstance(whole, str) or whole <= 0:
        return value
    return round(1 - value / whole, FACTOR_DECIMALS)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST_DIGITS]


class TimeMap(SourceModel):
    """The column of the event time, or several such as date and hour.

    `format`: rfc3339 (passed on) or a strptime pattern, read in `zone`; or several patterns, of which the
    first that fits a text is used.
    Without a column the times are the names of columns: a wide file across dates. In a long file the time is
    then a part of the file's name, or that of receipt.
    """

    column: Column = ""
    origin: str | None = None  # a named group of the format's file_name
    format: Annotated[str | tuple[str, ...], AfterValidator(checked_patterns)]
    zone: Annotated[str, AfterValidator(zone_or_region)] = "region"
    lag_seconds: Annotated[int, AfterValidator(not_negative)] = 0  # known this long after its time

    def read(self, text: str, before: float, zone: str = DEFAULT_TIMEZONE) -> tuple[str, float]:
        """(event_time of the payload, epoch seconds). `zone`: time zone of the region.

        An unreadable time is passed on; its seconds are those of the previous row, `before`.
        """
        if self.format == RFC3339:
            moment = parse_time(text)
            return text, moment.timestamp() if moment else before
        own_zone = zone if self.zone == "region" else self.zone
        times = (local_time(text, pattern, own_zone, self.lag_seconds) for pattern in self.patterns)
        return next(filter(None, times), (text, before))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The strptime patterns, in the order in which they are tried."""
        return (self.format,) if isinstance(self.format, str) else self.format

    def fits(self, text: str) -> bool:
        """Whether the text is a time of one of the patterns."""
        return any(moment_of(text, pattern, DEFAULT_TIMEZONE) for pattern in self.patterns)
