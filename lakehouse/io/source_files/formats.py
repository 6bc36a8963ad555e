"""The formats of conf/sources and of LUMBUNG_HOME/sources, and which of them a file has."""

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conf.settings import REPO, settings
from lakehouse.io.source_files.source_format import SourceFormat
from lakehouse.io.source_files.unknown_names import UnknownNames
from lakehouse.yaml_text import fault_text, read_mapping

HEADER_CHARACTERS = 1 << 20  # a file without line ends is not read whole to see that its header is unknown
TRACKED = REPO / "conf" / "sources"
REMEDY = "correct it; every key is in docs/how-to/add-a-file-format.md"


class FormatError(ValueError):
    """A format that cannot be used; the message names the file, the key and the remedy."""


@dataclass(frozen=True)
class Unmatched:
    """The reason why a file is of no known format."""

    reason: str


@dataclass(frozen=True)
class SourceFormats:
    """The formats by name, the file that each comes from, and per faulty file the error."""

    formats: dict[str, SourceFormat]
    files: dict[str, Path]
    faults: dict[str, str]


def own_folder() -> Path:
    """The folder of formats that are not part of the repository."""
    return settings().home / "sources"


def source_formats() -> SourceFormats:
    """Every usable format, and the faults of the files that are not. Files are read again when they change.

    A file of LUMBUNG_HOME/sources takes the place of the one in conf/sources with its name.
    """
    files = {file.stem: file for folder in (TRACKED, own_folder()) for file in sorted(folder.glob("*.yml"))}
    return _read_all(tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files.values()))


@lru_cache(maxsize=1)
def _read_all(states: tuple[tuple[Path, int, int], ...]) -> SourceFormats:
    usable: dict[str, SourceFormat] = {}
    faults = {}
    files = {file.stem: file for file, _, _ in states}
    for name, file in files.items():
        try:
            usable[name] = read_format(file)
        except FormatError as error:
            faults[name] = str(error)
    return SourceFormats(usable, files, faults)


def formats() -> dict[str, SourceFormat]:
    """Every usable format by the name of its file."""
    return source_formats().formats


def read_format(file: Path) -> SourceFormat:
    """The format of one YAML file. Raises FormatError naming file, key and remedy."""
    place = file.relative_to(REPO) if file.is_relative_to(REPO) else file
    raw: dict[str, Any] = {}
    try:
        raw = read_mapping(file.read_text(encoding="utf-8"))
        return SourceFormat.model_validate(raw | {"name": file.stem})
    except ValidationError as error:
        faults = "; ".join(fault_text(fault).removeprefix(": ") for fault in error.errors())
        text = faults if "events" in raw else faults.replace("events.0.", "")
        raise FormatError(f"{place}: {text}; remedy: {REMEDY}") from None
    except (OSError, ValueError) as error:
        raise FormatError(f"{place}: {error}; remedy: {REMEDY}") from None


def header_of(path: Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[str]:
    """The first row of the file; empty for an empty file."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as lines:
        beginning = io.StringIO(lines.read(HEADER_CHARACTERS), newline="")
    return next(csv.reader(beginning, delimiter=delimiter), [])


def format_of(path: Path, wanted: str | None = None) -> SourceFormat | Unmatched:
    """The format that fits the file's header, name and folder; `wanted` allows only that one.

    Raises FormatError for an unknown or faulty `wanted`.
    """
    known = source_formats()
    if wanted and wanted not in known.formats:
        listed = ", ".join(known.formats)
        raise FormatError(known.faults.get(wanted) or f"no format '{wanted}'; known: {listed}")
    candidates = [known.formats[wanted]] if wanted else list(known.formats.values())
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
    for candidate in candidates:
        header = header_of(path, candidate.encoding, candidate.delimiter)
        if candidate.nearly_matches(header):
            return Unmatched(unknown_regions(candidate, candidate.unknown_regions(header)))
    return Unmatched(unknown_header(header_of(path), candidates, known.faults))


def unknown_regions(nearest: SourceFormat, names: list[str]) -> str:
    """Which columns of a wide file are no provinces, and what to do."""
    return (
        f"a file of {nearest.name}, but no provinces: {', '.join(names)}. Add the names to the reference "
        f"list, and to `optional` of the format what is no region\n{UnknownNames(names).yaml()}"
    )


def unknown_header(header: list[str], candidates: list[SourceFormat], faults: dict[str, str]) -> str:
    """What the header is, what the headers of the formats are, and which formats cannot be used."""
    if not header:
        return "the file is empty"
    shown = ",".join(header)[:300].encode("utf-8", "replace").decode()
    known = "; ".join(
        f"{known.name}: {','.join(known.header)}" + (f",<{known.across}>…" if known.across else "")
        for known in candidates
    )
    unusable = "".join(f"\nnot usable: {fault}" for fault in faults.values())
    return f"unknown header: {shown}\nknown formats are {known}{unusable}"


def misplaced_reason(faults: dict[str, str]) -> str:
    """Every format that the header fits, why the file is not of it, and the remedy."""
    reasons = "; ".join(f"not {name}: {fault}" for name, fault in faults.items())
    return (
        f"the header alone does not identify the format: {reasons}. "
        "Put the file into that folder under such a name, or replay it with --format"
    )
