"""The heads of the chains, published outside the tables, so that a cut tail is noticed."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from conf.settings import settings

Head = tuple[int, str]  # index and hash of a chain's last record
TAIL_BYTES = 65536  # holds the newest line many times over


def head_file() -> Path:
    """Lines of JSON, only appended to.

    Copy them elsewhere: who can write this file and the tables can forge both.
    """
    return settings().state_dir / "ledger_head.json"


def publish(heads: Mapping[str, Head], time: datetime) -> str:
    """Append the heads of all chains and wait until the disk has them; returns the line."""
    by_chain = {chain: {"index": index, "hash": hash_} for chain, (index, hash_) in sorted(heads.items())}
    line = json.dumps({"time": time.isoformat(), "heads": by_chain}, separators=(",", ":"))
    file = head_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as out:
        if out.tell() and not _ends_with_newline(file):
            out.write(b"\n")  # a crash left the last line unfinished
        out.write(line.encode() + b"\n")
        out.flush()
        os.fsync(out.fileno())
    return line


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as read:
        read.seek(-1, os.SEEK_END)
        return read.read(1) == b"\n"


def published() -> dict[str, Head]:
    """The newest heads; empty before the first. Skips an unfinished line.

    Raises ValueError when no line is readable.
    """
    return newest()[1]


def newest() -> tuple[datetime | None, dict[str, Head]]:
    """When heads were published last, and these; None and empty before the first. Raises ValueError."""
    file = head_file()
    if not file.exists():
        return None, {}
    with file.open("rb") as read:
        read.seek(max(0, file.stat().st_size - TAIL_BYTES))
        lines = read.read().splitlines()
    for line in reversed(lines):
        try:
            entry = json.loads(line)
            heads = {chain: (int(head["index"]), str(head["hash"])) for chain, head in entry["heads"].items()}
            return datetime.fromisoformat(entry["time"]), heads
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    if lines:
        raise ValueError(f"{file} holds no head that can be read")
    return None, {}
