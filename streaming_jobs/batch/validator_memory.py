"""What the validators remember, in a file beside the checkpoint: a start then reads no silver.

The file belongs to one batch of one lake. It is used only if that is the newest batch, and rules and code are
the same; else the validators read silver, which is always right. Its parts, a line each: SHA-256 of the rest;
JSON (to what it belongs, and the length of each table); the tables as Arrow streams, one after the other.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

import pyarrow as pa

import lakehouse.validation
from conf.runtime.status_files import write_bytes
from conf.settings import settings
from lakehouse.io.delta import open_table
from lakehouse.validation import ValidatorState

log = logging.getLogger("lumbung.validators")
# Writing the file may take this share of the time; at a clean stop it is written in any case.
SHARE_OF_TIME = 0.01


def memory_file() -> Path:
    """The one file of a home."""
    return settings().state_dir / "validators.bin"


def belongs_to(newest_batch: datetime, rule_set: str) -> dict[str, str]:
    """What a file must belong to. `newest_batch`: its time, which no other batch of the lake has."""
    lake = str(open_table("bronze.events").metadata().id)
    return {"lake": lake, "batch": newest_batch.isoformat(), "rules": rule_set, "code": code_version()}


@cache
def code_version() -> str:
    """Fingerprint of the code that remembers and judges."""
    digest = hashlib.sha256()
    for file in sorted(Path(lakehouse.validation.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write_memory(file: Path, owner: Mapping[str, str], states: Mapping[str, ValidatorState]) -> None:
    """Replace the file in one step. `owner`: of `belongs_to`; `states`: kind -> state of its validator."""
    tables = [(kind, name, table) for kind, state in states.items() for name, table in state.items()]
    streams = [stream_of(table) for _, _, table in tables]
    lengths = [(kind, name, len(stream)) for (kind, name, _), stream in zip(tables, streams, strict=True)]
    header = json.dumps({"owner": dict(owner), "tables": lengths}).encode()
    content = header + b"\n" + b"".join(streams)
    write_bytes(file, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def read_memory(file: Path, owner: Mapping[str, str]) -> dict[str, ValidatorState] | None:
    """Kind -> state; None without a file of `owner`. A damaged or foreign file is named in the log."""
    if not file.exists():
        return None
    digest, _, content = file.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        log.warning("%s is damaged (checksum): it is ignored, the validators read silver", file.name)
        return None
    header, _, streams = content.partition(b"\n")
    noted = json.loads(header)
    if noted["owner"] != owner:
        other = [name for name, value in owner.items() if noted["owner"].get(name) != value]
        log.info("%s is of another %s: the validators read silver", file.name, " and ".join(other))
        return None
    states: dict[str, ValidatorState] = {}
    start = 0
    for kind, name, length in noted["tables"]:
        stream = memoryview(streams)[start : start + length]
        states.setdefault(kind, {})[name] = pa.ipc.open_stream(stream).read_all()
        start += length
    return states


def stream_of(table: pa.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


class SavingPace:
    """Whether writing is due: seldom enough that it takes SHARE_OF_TIME at most."""

    def __init__(self) -> None:
        self._due = time.monotonic()

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._due

    def note(self, began: float) -> None:
        """Writing began at that time of the monotonic clock and has ended now."""
        now = time.monotonic()
        self._due = now + (now - began) / SHARE_OF_TIME
