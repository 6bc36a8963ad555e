"""Levels of 7-day rises: those of the knob `alerts.levels`, and what operators set for single commodities.

The API replaces one small file. Jobs and readers notice that and compute what depends on it again, without a
restart.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from conf.runtime.status_files import write_json
from conf.settings import settings
from lakehouse.io.delta import inputs_fingerprint

Levels = dict[str, float]  # name of a level -> percent above which a rise has it
OWN = TypeAdapter(dict[str, Levels])
Identity = tuple[int, int] | None
_read: tuple[Path, Identity, dict[str, Levels]] | None = None


def change_levels_file() -> Path:
    """The file; absent while nothing was set."""
    return settings().state_dir / "change_levels.json"


def levels_identity() -> Identity:
    """Inode and time of the file: another one after every change."""
    try:
        status = change_levels_file().stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def own_levels() -> dict[str, Levels]:
    """Commodity -> the levels that were set for it. Raises ValueError for a file that cannot be used."""
    global _read
    file = change_levels_file()
    identity = levels_identity()
    if _read is None or _read[:2] != (file, identity):
        try:
            own = {} if identity is None else OWN.validate_json(file.read_bytes())
        except ValidationError as error:
            remedy = "remove it, then set the levels again"
            raise ValueError(f"{file}: {error.errors()[0]['msg']}; remedy: {remedy}") from None
        _read = file, identity, own
    return _read[2]


def levels_of(commodity: str) -> Mapping[str, float]:
    """The levels in force for a commodity."""
    return own_levels().get(commodity, settings().alerts.levels)


def set_levels(commodity: str, levels: Levels | None) -> None:
    """Set the levels of a commodity; None: those of the knob hold again. Callers take turns."""
    others = {name: own for name, own in own_levels().items() if name != commodity}
    write_json(change_levels_file(), others | ({commodity: levels} if levels else {}))


def levels_fingerprint() -> int:
    """Of all levels in force."""
    return inputs_fingerprint(json.dumps([settings().alerts.levels, own_levels()], sort_keys=True))
