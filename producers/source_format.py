"""Published file formats as data: which header, which column is which payload field. A new format is a new YAML file."""

import csv
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from conf.settings import REPO
from lakehouse.contract import kinds
from lakehouse.reference import matching_key, region_aliases

HEADER_CHARACTERS = 1 << 20  # a file without line ends is not read whole to find that its header is unknown
FOLDER = REPO / "conf" / "sources"
csv.field_size_limit(1 << 24)  # a row that is too long is a matter for the door, not for the reader


class FormatError(ValueError):
    """A format file that cannot be used; the text names the file and the field."""


class FieldMap(BaseModel):
    """Where a payload field comes from (exactly one of column, constant, origin) and how its text becomes a value."""

    model_config = ConfigDict(extra="forbid")
    column: str | None = None
    constant: str | float | None = None
    origin: Literal["file_stem", "cell", "province_market"] | None = None
    as_: Literal["text", "number", "integer"] = Field(default="text", alias="as")
    strip: tuple[str, ...] = ()
    thousands: str = ""
    decimal: str = "."

    @model_validator(mode="after")
    def one_source(self) -> "FieldMap":
        if sum(given is not None for given in (self.column, self.constant, self.origin)) != 1:
            raise ValueError("exactly one of column, constant and origin must be given")
        return self

    def value(self, text: str) -> str | float | int:
        """The value of a cell; text that is no number stays text, for the stream to judge."""
        if self.as_ == "text":
            return text
        plain = text
        for mark in self.strip:
            plain = plain.replace(mark, "")
        plain = plain.strip()
        if self.thousands:
            plain = plain.replace(self.thousands, "")
        if self.decimal != ".":
            plain = plain.replace(self.decimal, ".")
        if "_" in plain:  # a number to Python alone
            return text
        try:
            number = float(plain)
        except ValueError:
            return text
        if number - number != 0:  # nan or infinite: JSON has no such number
            return text
        return int(number) if self.as_ == "integer" and number == int(number) else number


class TimeMap(BaseModel):
    """The column that holds the time. `format`: rfc3339 (passed on) or a strptime pattern read in `zone`."""

    model_config = ConfigDict(extra="forbid")
    column: str
    format: str
    zone: str = "region"


class SourceFormat(BaseModel):
    """One published format. `header`: the exact columns (long) or the leading ones (wide; all others are regions)."""

    model_config = ConfigDict(extra="forbid")
    name: str
    says: str
    kind: str
    layout: Literal["long", "wide"]
    header: tuple[str, ...]
    optional: tuple[str, ...] = ()
    across: Literal["region"] | None = None
    index_column: bool = False
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    time: TimeMap
    no_event: dict[str, tuple[str, ...]] = {}
    fields: dict[str, FieldMap]

    @model_validator(mode="after")
    def agrees_with_contract(self) -> "SourceFormat":
        if self.kind not in kinds():
            raise ValueError(f"kind: unknown kind '{self.kind}'")
        known = {field.name for field in kinds()[self.kind].payload}
        unknown = [name for name in (*self.fields, *self.no_event) if name not in known]
        missing = [m.column for m in self.fields.values() if m.column and m.column not in (*self.header, *self.optional)]
        if unknown:
            raise ValueError(f"fields: {unknown[0]} is not a payload field of {self.kind}")
        if missing or self.time.column not in self.header:
            raise ValueError(f"fields: column {(missing or [self.time.column])[0]} is not in the header")
        return self

    def matches(self, header: list[str]) -> bool:
        """Whether a file with this header is of this format."""
        if self.layout == "wide":
            lead = len(self.header)
            names = header[lead:]
            return tuple(header[:lead]) == self.header and bool(names) and all(matching_key(n) in region_aliases() for n in names)
        return set(self.header) <= set(header) <= {*self.header, *self.optional} and len(set(header)) == len(header)


@dataclass(frozen=True)
class Unmatched:
    """Why a file is of no known format."""

    reason: str


@cache
def formats() -> dict[str, SourceFormat]:
    """Every format by its file's stem. Raises FormatError."""
    found = {}
    for file in sorted(FOLDER.glob("*.yml")):
        try:
            found[file.stem] = SourceFormat(name=file.stem, **yaml.safe_load(file.read_text(encoding="utf-8")))
        except (ValidationError, TypeError) as error:
            raise FormatError(f"{file.name}: {error}") from None
    return found


def header_of(path: Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[str]:
    """First row of the file; empty for an empty file."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as lines:
        return next(csv.reader(io.StringIO(lines.read(HEADER_CHARACTERS), newline=""), delimiter=delimiter), [])


def format_of(path: Path, wanted: str | None = None) -> SourceFormat | Unmatched:
    """The format whose header the file bears; `wanted` limits the choice to one. Raises FormatError for no such format."""
    if wanted and wanted not in formats():
        raise FormatError(f"no format '{wanted}'; known: {', '.join(formats())}")
    candidates = [formats()[wanted]] if wanted else list(formats().values())
    for candidate in candidates:
        header = header_of(path, candidate.encoding, candidate.delimiter)
        if candidate.matches(header):
            return candidate
    header = header_of(path)
    if not header:
        return Unmatched("the file is empty")
    shown = ",".join(header)[:300].encode("utf-8", "replace").decode()
    known = "; ".join(f"{f.name}: {','.join(f.header)}{',<province>…' if f.across else ''}" for f in candidates)
    return Unmatched(f"unknown header: {shown}\nknown formats are {known}")
