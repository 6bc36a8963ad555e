"""The YAML files of the reference lists: those of the repository with those of LUMBUNG_HOME laid over."""

from functools import cache
from pathlib import Path
from typing import Any

from conf.settings import REPO, settings
from lakehouse.yaml_text import read_mapping

TRACKED = REPO / "conf" / "reference"
# File -> section -> keys that identify an entry; none: a mapping, whose lists are joined.
LISTS: dict[str, dict[str, tuple[str, ...]]] = {
    "commodities.yml": {"commodities": ("id",), "units": (), "varieties": ()},
    "provinces.yml": {"provinces": ("code",), "national_weights": ()},
    "markets.yml": {"markets": ("market_id",)},
    "ceilings.yml": {"ceilings": ("commodity", "level", "kind", "valid_from")},
    "categories.yml": {"categories": ()},
    "shops.yml": {"shops": ("id",)},
    "exchanges.yml": {"exchanges": ("currency",)},
    "weights.yml": {"basket": (), "regions": ()},
}
JOINED = "aliases"  # this list of an entry is extended, everything else replaced
REMEDY = "correct it; see docs/how-to/bring-your-own-data.md"
Row = dict[str, Any]


class ReferenceListError(ValueError):
    """A reference list that cannot be used; the text names file, entry, key and remedy."""


def own_folder() -> Path:
    """The folder of lists that are laid over those of the repository."""
    return settings().home / "reference"


def own_files() -> list[Path]:
    """The files that are laid over. Raises ReferenceListError for one that has no list's name."""
    files = sorted(own_folder().glob("*.y*ml"))
    for file in files:
        if file.name not in LISTS:
            raise ReferenceListError(
                f"{file}: no list has this name; remedy: rename it to one of {', '.join(LISTS)}"
            )
    return files


def merged(file: str, section: str) -> Any:
    """The list (or mapping) of a section: the repository's, with that of LUMBUNG_HOME laid over.

    An entry with the identity of a listed one replaces the keys that it has and adds its `aliases`; another
    is added. Raises ReferenceListError.
    """
    tracked = _sections(TRACKED / file)[section]
    own = _sections(own_folder() / file).get(section)
    if own is None:
        return tracked
    identity = LISTS[file][section]
    if identity and isinstance(own, list):
        return _merged_rows(tracked, own, file, section)
    if not identity and isinstance(own, dict):
        return _merged_mapping(tracked, own)
    kind = "a list of entries" if identity else "a mapping"
    raise ReferenceListError(f"{own_folder() / file}: '{section}' is not {kind}; remedy: {REMEDY}")


def _merged_rows(tracked: list[Row], own: list[Row], file: str, section: str) -> list[Row]:
    identity = LISTS[file][section]
    rows = {tuple(str(row[key]) for key in identity): row for row in tracked}
    for number, row in enumerate(own, 1):
        missing = [key for key in identity if not isinstance(row, dict) or key not in row]
        if missing:
            place = f"{own_folder() / file}: entry {number} of '{section}'"
            raise ReferenceListError(f"{place}: the key '{missing[0]}' is missing; remedy: {REMEDY}")
        key = tuple(str(row[name]) for name in identity)
        rows[key] = _laid_over(rows.get(key, {}), row)
    return list(rows.values())


def _laid_over(old: Row, new: Row) -> Row:
    joined = [*old.get(JOINED, ()), *(new.get(JOINED) or ())]
    return {**old, **new, **({JOINED: joined} if joined else {})}


def _merged_mapping(tracked: Row, own: Row) -> Row:
    """Lists of one name are joined, other values replaced."""
    return tracked | {
        name: [*tracked[name], *value]
        if isinstance(value, list) and isinstance(tracked.get(name), list)
        else value
        for name, value in own.items()
    }


def fault_at(file: str, section: str, row: Row, text: str) -> ReferenceListError:
    """The error of one entry. What is laid over is the cause wherever there is such a file."""
    keys = " ".join(str(row[key]) for key in LISTS[file][section] if key in row)
    named = f"{section} '{keys}'" if keys else section
    own = own_folder() / file
    place = own if own.exists() else (TRACKED / file).relative_to(REPO)
    return ReferenceListError(f"{place}: {named}: {text}; remedy: {REMEDY}")


@cache
def _sections(file: Path) -> Row:
    """The sections of a file; none where it does not exist. Raises ReferenceListError."""
    if not file.exists():
        return {}
    try:
        sections = read_mapping(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReferenceListError(f"{file}: {error}; remedy: {REMEDY}") from None
    if unknown := sections.keys() - LISTS[file.name].keys():
        known = ", ".join(LISTS[file.name])
        raise ReferenceListError(
            f"{file}: there is no section '{min(unknown)}'; remedy: rename it to one of {known}"
        )
    return sections
