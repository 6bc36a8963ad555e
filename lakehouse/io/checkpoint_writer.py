"""The stream's checkpoint, written as Spark writes it, so that Spark can go on from it and back.

Each file is on the disk before the next step begins: offsets of a batch before its tables, its commit after
them.
"""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conf.runtime.status_files import write_bytes
from lakehouse.io import checkpoint
from lakehouse.io.checkpoint import Positions

VERSION = "v1"
KEPT_BATCHES = 100  # as many as Spark keeps


def begin(start: Positions) -> None:
    """Create what is missing of the checkpoint: its id, and `start`, the offsets at which its sources begin.

    Those of an earlier begin stay as they are.
    """
    metadata = checkpoint.checkpoint_dir() / "metadata"
    if not metadata.exists():
        _write(metadata, json.dumps({"id": str(uuid.uuid4())}))
    for number, positions in enumerate(checkpoint.by_source(start)):
        if not checkpoint.source_file(number).exists():
            _write_source(number, positions)


def divide_by_source() -> None:
    """Divide what is noted by the sources that the query has now, which Spark compares.

    An older version had one source for all topics, and the knob `kafka.legacy_topics` may have changed.
    """
    if checkpoint.source_file(0).exists():
        divided = checkpoint.by_source(checkpoint.first_offsets())
        if any(divided[1:]) and checkpoint.begun_at(0) != divided[0]:
            _write_source(1, divided[1])
            _write_source(0, divided[0])  # second: a kill in between loses nothing
    for batch_id in checkpoint.planned_batches()[-2:]:  # as many as Spark reads
        noted = checkpoint.ends_by_source(batch_id)
        divided = checkpoint.by_source({topic: parts for ends in noted for topic, parts in ends.items()})
        if noted != divided:
            _write_offsets(batch_id, divided, checkpoint.batch_metadata(batch_id))


def plan(batch_id: int, end: Positions, timestamp_ms: int) -> None:
    """Note where the batch ends, before it runs; a restart runs it again with the same records and time."""
    metadata = {
        "batchWatermarkMs": 0,
        "batchTimestampMs": timestamp_ms,
        "conf": _settings_of_spark(batch_id - 1),
    }
    _write_offsets(batch_id, checkpoint.by_source(end), metadata)


def finish(batch_id: int) -> None:
    """Note that every table holds the batch, and forget the batch KEPT_BATCHES before it."""
    folder = checkpoint.checkpoint_dir()
    _write(folder / "commits" / str(batch_id), f'{VERSION}\n{{"nextBatchWatermarkMs":0}}')
    forgotten = str(batch_id - KEPT_BATCHES)
    for log in ("offsets", "commits"):
        (folder / log / forgotten).unlink(missing_ok=True)
        (folder / log / f".{forgotten}.crc").unlink(missing_ok=True)


def _write_source(number: int, positions: Positions) -> None:
    # Spark skips the first byte, which its version 2.1 read as another version of the file.
    _write(checkpoint.source_file(number), f"\0{VERSION}\n{json.dumps(positions)}")


def _write_offsets(batch_id: int, ends: Sequence[Positions], metadata: dict[str, Any]) -> None:
    lines = (VERSION, json.dumps(metadata), *map(json.dumps, ends))
    _write(checkpoint.checkpoint_dir() / "offsets" / str(batch_id), "\n".join(lines))


def _settings_of_spark(batch_id: int) -> dict[str, str]:
    """What Spark noted with an earlier batch and compares at its next start; nothing without one."""
    if batch_id < 0:
        return {}
    settings: dict[str, str] = checkpoint.batch_metadata(batch_id).get("conf", {})
    return settings


def _write(file: Path, text: str) -> None:
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)  # Spark's checksum of other content
    write_bytes(file, text.encode("utf-8"), is_durable=True)
