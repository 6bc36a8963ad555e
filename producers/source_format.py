"""Published file formats as data: which header, which column is which payload field. A new format is a new YAML file."""

import csv
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from conf.settings import REPO
from lakehouse.contract import kinds
from lakehouse.reference import matching_key, region_aliases
from producers.field_map import FieldMap, TimeMap

HEADER_CHARACTERS = 1 << 20  # a file without line ends is not read whole to find that its header is unknown
FOLDER = REPO / "conf" / "sources"
OF_THE_FILE = {"file_stem", "event_time"}
OF_A_CELL = {"cell", "province_market"}
csv.field_size_limit(1 << 24)  # a row that is too long is a matter for the door, not for the reader


class FormatError(ValueError):
    """A format file that cannot be used; the text names the file and the field."""


class EventMap(BaseModel):
    """One event of a row. `no_event`: field -> texts that say that there is nothing to tell."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    time: TimeMap
    no_event: dict[str, tuple[str, ...]] = {}
    fields: dict[str, FieldMap]

    @model_validator(mode="after")
    def agrees_with_contract(self) -> "EventMap":
        if self.kind not in kinds():
            raise ValueError(f"kind: unknown kind '{self.kind}'")
        known = {field.name for field in kinds()[self.kind].payload}
        unknown = [name for name in (*self.fields, *self.no_event) if name not in known]
        if unknown:
            raise ValueError(f"fields: {unknown[0]} is not a payload field of {self.kind}")
        return self


class SourceFormat(BaseModel):
    """One published format. `header`: the exact columns (long) or the leading ones (wide; all others are regions).

    Formats that share a header are told apart by the `folder` that the file lies in; `file_name` is a pattern whose named
    groups are origins of fields. A row is one event (kind, time, fields given at the top) or several (`events`).
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    says: str
    layout: Literal["long", "wide"]
    header: tuple[str, ...]
    optional: tuple[str, ...] = ()
    across: Literal["region"] | None = None
    index_column: bool = False
    newest_first: bool = False  # the watched folder, too, sends such a file by event time
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    folder: str | None = None
    file_name: re.Pattern[str] | None = None
    events: tuple[EventMap, ...]

    @model_validator(mode="before")
    @classmethod
    def events_of_one(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """What stands at the top is the only event, or (time) holds for every event."""
        if "events" not in raw:
            own = {"kind", "time", "no_event", "fields"} & raw.keys()
            return {key: raw[key] for key in raw.keys() - own} | {"events": ({key: raw[key] for key in own},)}
        shared = {"time": raw["time"]} if "time" in raw else {}
        return {key: raw[key] for key in raw if key != "time"} | {"events": tuple(shared | event for event in raw["events"])}

    @model_validator(mode="after")
    def agrees_with_itself(self) -> "SourceFormat":
        columns, origins = {*self.header, *self.optional}, OF_THE_FILE | self.parts
        if self.layout == "wide":
            origins |= OF_A_CELL
            if len(self.events) != 1 or sum(field.origin == "cell" for field in self.events[0].fields.values()) != 1:
                raise ValueError("events: a cell of a wide file is one event, and one of its fields")
        for event in self.events:
            read = [column for field in event.fields.values() for column in field.columns if column not in columns]
            if read or event.time.column not in self.header:
                raise ValueError(f"fields: column {(read or [event.time.column])[0]} is not in the header")
            strange = [field.origin for field in event.fields.values() if field.origin and field.origin not in origins]
            if strange:
                raise ValueError(f"fields: origin {strange[0]} is none of {', '.join(sorted(origins))}")
            deaf = [name for name in event.no_event if name not in event.fields]
            if deaf:
                raise ValueError(f"no_event: {deaf[0]} is not read")
        return self

    @property
    def parts(self) -> set[str]:
        """Names of the parts of the file's name."""
        return set(self.file_name.groupindex) if self.file_name else set()

    def matches(self, header: list[str]) -> bool:
        """Whether a file with this header is of this format."""
        if self.layout == "wide":
            lead = len(self.header)
            names = header[lead:]
            return tuple(header[:lead]) == self.header and bool(names) and all(matching_key(n) in region_aliases() for n in names)
        return set(self.header) <= set(header) <= {*self.header, *self.optional} and len(set(header)) == len(header)

    def origins(self, path: Path) -> dict[str, str]:
        """What the file's name says: its stem and the named parts."""
        found = self.file_name.fullmatch(path.name) if self.file_name else None
        return {"file_stem": path.stem, **(found.groupdict() if found else {})}

    def misplaced(self, path: Path, asked_for: bool) -> str | None:
        """Why a file with the right header still is not of this format; a format that was asked for needs no folder."""
        if self.folder and not asked_for and path.absolute().parent.name != self.folder:
            return f"its folder is not '{self.folder}'"
        if self.file_name and not self.file_name.fullmatch(path.name):
            return f"its name does not match {self.file_name.pattern}"
        said = self.origins(path)
        for event in self.events:
            for field in event.fields.values():
                if field.origin in self.parts and field.values and said[field.origin] not in field.values:
                    return f"'{said[field.origin]}' in its name is none of {', '.join(field.values)}"
        return None


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
    """The format whose header and place the file bears; `wanted` limits the choice. Raises FormatError for an unknown one."""
    if wanted and wanted not in formats():
        raise FormatError(f"no format '{wanted}'; known: {', '.join(formats())}")
    candidates = [formats()[wanted]] if wanted else list(formats().values())
    faults = {}
    for candidate in candidates:
        header = header_of(path, candidate.encoding, candidate.delimiter)
        if candidate.matches(header):
            fault = candidate.misplaced(path, wanted is not None)
            if fault is None:
                return candidate
            faults[candidate.name] = fault
    if faults:
        return Unmatched(f"the header alone does not tell what it is: {_told(faults)}")
    header = header_of(path)
    if not header:
        return Unmatched("the file is empty")
    shown = ",".join(header)[:300].encode("utf-8", "replace").decode()
    known = "; ".join(f"{f.name}: {','.join(f.header)}{',<province>…' if f.across else ''}" for f in candidates)
    return Unmatched(f"unknown header: {shown}\nknown formats are {known}")


def _told(faults: dict[str, str]) -> str:
    """Every format that the header fits, why the file is not of it, and the remedy."""
    told = "; ".join(f"not {name}, for {fault}" for name, fault in faults.items())
    return f"{told}. Put it into such a folder under such a name, or replay it with --format"
