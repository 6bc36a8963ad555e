"""Published file formats as data (conf/sources/*.yml): header, and payload field of each column."""

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
from lakehouse.contracts.contract import kinds
from lakehouse.reference import matching_key, region_aliases
from producers.csv.field_map import FieldMap, TimeMap

HEADER_CHARACTERS = 1 << 20  # a file without line ends is not read whole to see that its header is unknown
FOLDER = REPO / "conf" / "sources"
FILE_ORIGINS = {"file_stem", "event_time"}
CELL_ORIGINS = {"cell", "province_market"}
csv.field_size_limit(1 << 24)  # a field that is too long for an event is refused later, as a dead letter


class FormatError(ValueError):
    """A format file that cannot be used; the message names the file and the field."""


class EventMap(BaseModel):
    """One event of a row. `no_event`: field -> texts that mean "not reported"; then there is no event."""

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
    """One published format.

    `header`: the exact columns (long), or the leading ones (wide; all others are regions).
    Formats with the same header are distinguished by the `folder` of the file.
    `file_name` is a pattern whose named groups are origins of fields.
    A row is one event (kind, time and fields at the top level) or several (`events`).
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    description: str
    layout: Literal["long", "wide"]
    header: tuple[str, ...]
    optional: tuple[str, ...] = ()
    across: Literal["region"] | None = None
    index_column: bool = False
    newest_first: bool = False  # the watched folder also sends such a file by event time
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    folder: str | None = None
    file_name: re.Pattern[str] | None = None
    events: tuple[EventMap, ...]

    @model_validator(mode="before")
    @classmethod
    def events_of_one(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """Top-level keys describe the only event; with `events`, a top-level time applies to each."""
        if "events" not in raw:
            keys = {"kind", "time", "no_event", "fields"} & raw.keys()
            return {key: raw[key] for key in raw.keys() - keys} | {
                "events": ({key: raw[key] for key in keys},)
            }
        shared = {"time": raw["time"]} if "time" in raw else {}
        return {key: raw[key] for key in raw if key != "time"} | {
            "events": tuple(shared | event for event in raw["events"])
        }

    @model_validator(mode="after")
    def agrees_with_itself(self) -> "SourceFormat":
        columns = {*self.header, *self.optional}
        origins = FILE_ORIGINS | self.parts
        if self.layout == "wide":
            origins |= CELL_ORIGINS
            if (
                len(self.events) != 1
                or sum(field.origin == "cell" for field in self.events[0].fields.values()) != 1
            ):
                raise ValueError("events: a cell of a wide file is one event, and one of its fields")
        for event in self.events:
            absent = [
                column for field in event.fields.values() for column in field.columns if column not in columns
            ]
            if event.time.column not in self.header:
                absent.append(event.time.column)
            if absent:
                raise ValueError(f"fields: column {absent[0]} is not in the header")
            unknown = [
                field.origin
                for field in event.fields.values()
                if field.origin and field.origin not in origins
            ]
            if unknown:
                raise ValueError(f"fields: origin {unknown[0]} is none of {', '.join(sorted(origins))}")
            unread = [name for name in event.no_event if name not in event.fields]
            if unread:
                raise ValueError(f"no_event: {unread[0]} is not read")
        return self

    @property
    def parts(self) -> set[str]:
        """Named groups of `file_name`."""
        return set(self.file_name.groupindex) if self.file_name else set()

    def matches(self, header: list[str]) -> bool:
        """Whether a file with this header is of this format."""
        if self.layout == "wide":
            leading = tuple(header[: len(self.header)])
            regions = header[len(self.header) :]
            are_known = all(matching_key(region) in region_aliases() for region in regions)
            return leading == self.header and bool(regions) and are_known
        is_complete = set(self.header) <= set(header) <= {*self.header, *self.optional}
        return is_complete and len(set(header)) == len(header)

    def origins(self, path: Path) -> dict[str, str]:
        """Values from the file's name: its stem and the named groups."""
        match = self.file_name.fullmatch(path.name) if self.file_name else None
        return {"file_stem": path.stem, **(match.groupdict() if match else {})}

    def misplaced(self, path: Path, is_requested: bool) -> str | None:
        """Why a file with this header still is not of this format; None if it is.

        A format that was requested by name needs no folder.
        """
        if self.folder and not is_requested and path.absolute().parent.name != self.folder:
            return f"its folder is not '{self.folder}'"
        if self.file_name and not self.file_name.fullmatch(path.name):
            return f"its name does not match {self.file_name.pattern}"
        origins = self.origins(path)
        for event in self.events:
            for field in event.fields.values():
                if field.origin in self.parts and field.values and origins[field.origin] not in field.values:
                    return f"'{origins[field.origin]}' in its name is none of {', '.join(field.values)}"
        return None


@dataclass(frozen=True)
class Unmatched:
    """The reason why a file is of no known format."""

    reason: str


@cache
def formats() -> dict[str, SourceFormat]:
    """Every format by its file's stem. Raises FormatError."""
    return {file.stem: read_format(file) for file in sorted(FOLDER.glob("*.yml"))}


def read_format(file: Path) -> SourceFormat:
    """The format of one YAML file. Raises FormatError naming the file and the field."""
    try:
        return SourceFormat.model_validate(
            {"name": file.stem, **yaml.safe_load(file.read_text(encoding="utf-8"))}
        )
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise FormatError(f"{file.name}: {error}") from None


def header_of(path: Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[str]:
    """The first row of the file; empty for an empty file."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as lines:
        beginning = io.StringIO(lines.read(HEADER_CHARACTERS), newline="")
    return next(csv.reader(beginning, delimiter=delimiter), [])


def format_of(path: Path, wanted: str | None = None) -> SourceFormat | Unmatched:
    """The format that fits the file's header, name and folder; `wanted` allows only that one.

    Raises FormatError for an unknown `wanted`.
    """
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
        return Unmatched(misplaced_reason(faults))
    header = header_of(path)
    if not header:
        return Unmatched("the file is empty")
    shown = ",".join(header)[:300].encode("utf-8", "replace").decode()
    known = "; ".join(
        f"{candidate.name}: {','.join(candidate.header)}{',<province>…' if candidate.across else ''}"
        for candidate in candidates
    )
    return Unmatched(f"unknown header: {shown}\nknown formats are {known}")


def misplaced_reason(faults: dict[str, str]) -> str:
    """Every format that the header fits, why the file is not of it, and the remedy."""
    reasons = "; ".join(f"not {name}: {fault}" for name, fault in faults.items())
    return (
        f"the header alone does not identify the format: {reasons}. "
        "Put the file into that folder under such a name, or replay it with --format"
    )
