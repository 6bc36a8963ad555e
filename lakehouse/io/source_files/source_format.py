"""A published file format as data: its header, and where each payload field is read."""

import codecs
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator

from lakehouse.contracts.contract import kinds
from lakehouse.io.source_files.field_map import RFC3339, FieldMap, SourceModel, TimeMap, names_of
from lakehouse.reference import matching_key, region_aliases

FILE_ORIGINS = {"file_stem", "event_time"}
CELL_ORIGINS = {"cell", "column", "province_market"}


class EventMap(SourceModel):
    """One event of a row. `no_event`: field -> texts that mean "not reported"; then there is no event."""

    kind: str
    time: TimeMap = TimeMap(format=RFC3339)  # that of receipt
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


def known_encoding(name: str) -> str:
    """The same. Raises ValueError for a name that Python does not know."""
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"there is no encoding '{name}'; common ones: utf-8-sig, cp1252") from None
    return name


def one_character(text: str) -> str:
    """The same. Raises ValueError for more or fewer characters."""
    if len(text) != 1:
        raise ValueError('one character is needed, such as ";" or "\\t"')
    return text


class SourceFormat(SourceModel):
    """One published format.

    `header`: the exact columns (long), or the leading ones (wide; all others are what `across` says, except
    `optional`).
    Formats with the same header are distinguished by the `folder` of the file.
    `file_name` is a pattern whose named groups are origins of fields.
    A row is one event (kind, time and fields at the top level) or several (`events`).
    """

    name: str
    description: str
    layout: Literal["long", "wide"]
    header: tuple[str, ...]
    optional: tuple[str, ...] = ()
    across: Literal["region", "market", "date"] | None = None
    index_column: bool = False
    newest_first: bool = False  # the watched folder also sends such a file by event time
    delimiter: Annotated[str, AfterValidator(one_character)] = ","
    encoding: Annotated[str, AfterValidator(known_encoding)] = "utf-8-sig"
    folder: str | None = None
    file_name: re.Pattern[str] | None = None
    events: tuple[EventMap, ...]

    @model_validator(mode="before")
    @classmethod
    def events_of_one(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """Top-level keys describe the only event; with `events`, a top-level time applies to each."""
        events = raw.get("events")
        if not isinstance(events, list | tuple | None) or not all(isinstance(e, dict) for e in events or ()):
            raise ValueError("events: a list of mappings is needed")
        if events is None:
            keys = {"kind", "time", "no_event", "fields"} & raw.keys()
            return {key: raw[key] for key in raw.keys() - keys} | {
                "events": ({key: raw[key] for key in keys},)
            }
        shared = {"time": raw["time"]} if "time" in raw else {}
        return {key: raw[key] for key in raw if key != "time"} | {
            "events": tuple(shared | event for event in events)
        }

    @model_validator(mode="after")
    def agrees_with_itself(self) -> "SourceFormat":
        columns = {*self.header, *self.optional}
        origins = FILE_ORIGINS | self.parts
        if self.layout == "wide":
            origins |= CELL_ORIGINS if self.across == "region" else CELL_ORIGINS - {"province_market"}
            if (
                len(self.events) != 1
                or sum(field.origin == "cell" for field in self.events[0].fields.values()) != 1
            ):
                raise ValueError("events: a cell of a wide file is one event, and one of its fields")
        if (self.layout == "wide") != (self.across is not None):
            raise ValueError("across: a wide file needs it, and no other has it")
        for event in self.events:
            absent = [
                column for field in event.fields.values() for column in field.columns if column not in columns
            ]
            self._has_its_time(event.time)
            absent += [name for name in names_of(event.time.column) if name not in self.header]
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

    def _has_its_time(self, time: TimeMap) -> None:
        """Raises ValueError when it is not known where the time is."""
        if self.layout == "wide" and (not time.column) != (self.across == "date"):
            raise ValueError("time.column: needed, unless the columns are dates")
        if time.origin and (time.column or self.layout == "wide"):
            raise ValueError("time.origin: only of a long file, and not with a column")
        if time.origin and time.origin not in self.parts:
            raise ValueError(f"time.origin: {time.origin} is no named group of file_name")
        if self.layout == "long" and not (time.column or time.origin) and time.format != RFC3339:
            raise ValueError("time: column or origin is needed; without `time` it is that of receipt")

    @property
    def parts(self) -> set[str]:
        """Named groups of `file_name`."""
        return set(self.file_name.groupindex) if self.file_name else set()

    def matches(self, header: list[str]) -> bool:
        """Whether a file with this header is of this format."""
        if self.layout == "wide":
            columns = [name for _, name in self.across_columns(header)]
            return self.leads(header) and bool(columns) and self.all_across(columns)
        is_complete = set(self.header) <= set(header) <= {*self.header, *self.optional}
        return is_complete and len(set(header)) == len(header)

    def leads(self, header: list[str]) -> bool:
        """Whether the first columns are those of the format."""
        return tuple(header[: len(self.header)]) == self.header

    def across_columns(self, header: list[str]) -> list[tuple[int, str]]:
        """(position, name) of the columns of a wide file whose cells are events."""
        start = len(self.header)
        columns = enumerate(header[start:], start)
        return [(position, name) for position, name in columns if name not in self.optional]

    def all_across(self, columns: list[str]) -> bool:
        """Whether columns are what `across` says. Names of provinces alone are no markets."""
        if self.across == "date":
            return all(map(self.events[0].time.fits, columns))
        regions = [matching_key(name) in region_aliases() for name in columns]
        return all(columns) and not all(regions) if self.across == "market" else all(regions)

    def unknown_regions(self, header: list[str]) -> list[str]:
        """Names of columns of a wide file that no province has."""
        names = (name for _, name in self.across_columns(header))
        return [name for name in names if matching_key(name) not in region_aliases()]

    def nearly_matches(self, header: list[str]) -> bool:
        """Whether it is a wide file of this format, but for columns that are no provinces."""
        count = len(self.across_columns(header)) if self.across == "region" and self.leads(header) else 0
        return count > 0 and len(self.unknown_regions(header)) <= count / 2

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
