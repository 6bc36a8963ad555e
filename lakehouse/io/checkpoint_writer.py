"""The stream's checkpoint, written as Spark writes it, so that Spark can go on from it and back.

Each file is on the disk before the next step begins: offsets of a batch before its tables, its commit after
them.
"""

import json
import os
import uuid
from pathlib import Path

from lakehouse.io import checkpoint
from lakehouse.io.checkpoint import Positions

VERSION = "v1"
KEPT_BATCHES = 100  # as many as Spark keeps


def begin(start: Positions) -> None:
    """Create what is missing of the checkpoint: its id, and `start`, the offsets at which the source begins.

    Those of an earlier begin stay as they are.
    """
    folder = checkpoint.checkpoint_dir()
    if not (folder / "metadata").exists():
        _write(folder / "metadata", json.dumps({"id": str(uuid.uuid4())}))
    if not checkpoint.source_has_begun():
        # Spark skips the first byte, which its version 2.1 read as another version of the file.
        _write(folder / "sources" / "0" / "0", f"\0{VERSION}\n{json.dumps(start)}")


def plan(batch_id: int, end: Positions, timestamp_ms: int) -> None:
    """Note where the batch ends, before it runs; a restart runs it again with the same records and time."""
    metadata = {
        "batchWatermarkMs": 0,
        "batchTimestampMs": timestamp_ms,
        "conf": _settings_of_spark(batch_id - 1),
    }
    lines = (VERSION, json.dumps(metadata), json.dumps(end))
    _write(checkpoint.checkpoint_dir() / "offsets" / str(batch_id), "\n".join(lines))


def finish(batch_id: int) -> None:
    """Note that every table holds the batch, and forget the batch KEPT_BATCHES before it."""
    folder = checkpoint.checkpoint_dir()
    _write(folder / "commits" / str(batch_id), f'{VERSION}\n{{"nextBatchWatermarkMs":0}}')
    forgotten = str(batch_id - KEPT_BATCHES)
    for log in ("offsets", "commits"):
        (folder / log / forgotten).unlink(missing_ok=True)
        (folder / log / f".{forgotten}.crc").unlink(missing_ok=True)


def _settings_of_spark(batch_id: int) -> dict[str, str]:
    """What Spark noted with an earlier batch and compares at its next start; nothing without one."""
    if batch_id < 0:
        return {}
    settings: dict[str, str] = checkpoint.batch_metadata(batch_id).get("conf", {})
    return settings


def _write(file: Path, text: str) -> None:
    """In one step; on the disk afterwards."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    with temporary.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)  # Spark's checksum of other content
    temporary.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
