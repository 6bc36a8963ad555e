"""Hashes of the files of saved models: a pickle runs code when it is loaded, so only files that we saved are.

They are kept in this home and not with MLflow: whoever can replace a file there could replace a hash too.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.times import utc_text

REGISTRY_NOTE = "registered_model_meta"  # MLflow's own note, which changes when the model is registered again


class UnknownFiles(ValueError):
    """The files of a model are not those of any model that this home has saved; the message says so."""


def digest_of(folder: Path) -> str:
    """sha256 over names and contents of all files of a saved model."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != REGISTRY_NOTE):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def note(model: str, folder: Path) -> None:
    """Note the hash of a model that was just saved."""
    saved = {"model": model, "at": utc_text(datetime.now(UTC))}
    write_json(_hashes_file(), {**_known(), digest_of(folder): saved})


def check(folder: Path) -> None:
    """Raises UnknownFiles unless exactly these files were noted."""
    digest = digest_of(folder)
    if digest not in _known():
        raise UnknownFiles(
            f"the sha256 {digest[:16]}… of its files in {folder} is not in {_hashes_file()}: "
            "they were changed, or saved elsewhere"
        )


def _known() -> dict[str, dict[str, str]]:
    known: dict[str, dict[str, str]] | None = read_json(_hashes_file())
    return known or {}


def _hashes_file() -> Path:
    return settings().state_dir / "models" / "hashes.json"
