"""Small files by which processes report their state to each other; a reader never sees half of one."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write_bytes(file: Path, content: bytes, *, is_private: bool = False) -> None:
    """Replace the file in one step: a reader sees the old content or the new one. Creates its folder.

    `is_private`: readable by this user alone from its first byte.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.tmp")
    if is_private:
        temporary.unlink(missing_ok=True)  # one of an interrupted call may be readable by others
    mode = 0o600 if is_private else 0o666
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
        out.write(content)
    temporary.replace(file)


def write_text(file: Path, text: str) -> None:
    """`write_bytes` of the text in UTF-8."""
    write_bytes(file, text.encode("utf-8"))


def write_json(file: Path, content: Any) -> None:
    """`write_text` of one JSON document."""
    write_text(file, json.dumps(content))


def write_status(file: Path, status: dict[str, Any]) -> None:
    """Write `status` with `updated_at`, the time of writing (UTC, RFC 3339)."""
    status["updated_at"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    write_json(file, status)


def read_json(file: Path) -> Any:
    """The document; None when the file does not exist. Raises ValueError naming a file that is no JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ValueError(f"{file} is not readable as JSON: {error}") from None
