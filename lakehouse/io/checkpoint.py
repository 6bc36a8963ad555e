"""The stream's checkpoint, in Spark's format: planned and finished batches, and the offsets of each.

It is written as Spark writes it, so that Spark can go on from it and back. Each file is on the disk before
the next step begins: offsets of a batch before its tables, its commit after them.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from conf.runtime.status_files import write_bytes
from conf.settings import settings
from lakehouse.event import topics
from lakehouse.io.kafka import any_is_open, partition_bounds

Positions = dict[str, dict[str, int]]  # topic -> partition -> next offset
VERSION = "v1"
KEPT_BATCHES = 100  # as many as Spark keeps


class DamagedCheckpoint(ValueError):
    """A file of the checkpoint is empty, cut or altered; the message names file and remedy."""


@dataclass(frozen=True)
class BatchOffsets:
    """Offsets of one micro-batch, [start, end) per topic and partition, and its time in milliseconds."""

    start: Positions
    end: Positions
    timestamp_ms: int

    @property
    def time(self) -> datetime:
        """When the batch was planned, by the clock of then; the same when it is retried."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    @property
    def partitions(self) -> dict[str, int]:
        """Partitions per topic."""
        return {topic: len(partitions) for topic, partitions in self.end.items()}

    @property
    def rows(self) -> dict[str, int]:
        """Records per topic; topics without any are left out. A partition that is new begins at 0."""
        counts = {
            topic: sum(
                end - self.start.get(topic, {}).get(partition, 0) for partition, end in partitions.items()
            )
            for topic, partitions in self.end.items()
        }
        return {topic: count for topic, count in counts.items() if count}


def checkpoint_dir(state_dir: Path | None = None) -> Path:
    """The folder of the checkpoint; `state_dir`: of another home."""
    return (state_dir or settings().state_dir) / "checkpoint"


def stream_id() -> str | None:
    """The checkpoint's uuid; None when there is no checkpoint. Raises ValueError when it cannot be read."""
    file = checkpoint_dir() / "metadata"
    return str(json.loads(file.read_text())["id"]) if file.exists() else None


def planned_batches() -> list[int]:
    """Numbers of the batches whose offsets are noted, ascending."""
    return _batch_numbers(checkpoint_dir() / "offsets")


def finished_batches(state_dir: Path | None = None) -> list[int]:
    """Numbers of the batches that are done, ascending."""
    return _batch_numbers(checkpoint_dir(state_dir) / "commits")


def batch_under_way() -> bool:
    """Whether a batch is planned and not finished: between its commits the tables cannot agree."""
    return planned_batches()[-1:] != finished_batches()[-1:]


def by_source(positions: Positions) -> list[Positions]:
    """The positions of each source: our topics, then those of older systems, where some are read."""
    older = settings().kafka.legacy_topics
    own = {topic: parts for topic, parts in positions.items() if topic not in older}
    return [own, {topic: positions[topic] for topic in older if topic in positions}] if older else [own]


def source_file(number: int) -> Path:
    """Where a source notes the offsets at which it begins."""
    return checkpoint_dir() / "sources" / str(number) / "0"


def source_has_begun() -> bool:
    """Whether every source has noted the offsets at which it begins."""
    return all(source_file(number).exists() for number in range(len(by_source({}))))


def first_offsets() -> Positions:
    """Offsets at which the sources began. Raises OSError before the first batch."""
    first = begun_at(0)
    return first | begun_at(1) if source_file(1).exists() else first


def begun_at(number: int) -> Positions:
    """Offsets that a source has noted as its beginning. Raises OSError without them."""
    text = source_file(number).read_text()
    positions: Positions = json.loads(text[text.index("{") :])
    return positions


def batch_offsets(batch_id: int) -> BatchOffsets:
    """What the checkpoint notes of a batch before it runs.

    Raises OSError, DamagedCheckpoint or KeyError when the checkpoint is damaged.
    """
    end, metadata = _read_offsets(batch_id)
    start = _read_offsets(batch_id - 1)[0] if batch_id > 0 else first_offsets()
    return BatchOffsets(start, end, int(metadata["batchTimestampMs"]))


def count_waiting(
    bootstrap: str | None = None,
    state_dir: Path | None = None,
    positions: Positions | None = None,
    ends: Positions | None = None,
    of_topics: Sequence[str] | None = None,
) -> int | None:
    """Records in Kafka that no finished batch has covered; None when Kafka does not answer.

    Unlike the stream's own status it is right after the stream was killed. `positions`: count from there;
    `ends`: up to there instead of what Kafka holds now. `of_topics`: see `kafka_ends`. Raises
    DamagedCheckpoint.
    """
    if positions is None:  # read first: records that arrive meanwhile then count as waiting
        finished = finished_batches(state_dir)
        positions = _read_offsets(finished[-1], state_dir)[0] if finished else {}
    if ends is None:
        ends = kafka_ends(bootstrap, of_topics)
    if ends is None:
        return None
    return sum(
        max(end - positions.get(topic, {}).get(partition, 0), 0)
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )


def subscribed() -> list[str]:
    """Topics that the stream reads: one a kind, and those of older systems."""
    return [*topics(), *settings().kafka.legacy_topics]


def kafka_ends(bootstrap: str | None = None, of_topics: Sequence[str] | None = None) -> Positions | None:
    """The next offset of every partition that the stream reads; None when Kafka does not answer.

    `of_topics`: those of `subscribed`, of a caller that must not read the settings any more.
    """
    if not any_is_open(bootstrap):
        return None  # librdkafka would wait for its time limit
    try:
        bounds = partition_bounds(subscribed() if of_topics is None else of_topics, bootstrap)
    except KafkaException:
        return None
    return {
        topic: {partition: end for partition, (_, end) in partitions.items()}
        for topic, partitions in bounds.items()
    }


def begin(start: Positions) -> None:
    """Create what is missing of the checkpoint: its id, and `start`, the offsets at which its sources begin.

    Those of an earlier begin stay as they are.
    """
    metadata = checkpoint_dir() / "metadata"
    if not metadata.exists():
        _write(metadata, json.dumps({"id": str(uuid.uuid4())}))
    for number, positions in enumerate(by_source(start)):
        if not source_file(number).exists():
            _write_source(number, positions)


def divide_by_source() -> None:
    """Divide what is noted by the sources that the query has now, which Spark compares.

    The knob `kafka.legacy_topics` may have changed.
    """
    if source_file(0).exists():
        divided = by_source(first_offsets())
        if any(divided[1:]) and begun_at(0) != divided[0]:
            _write_source(1, divided[1])
            _write_source(0, divided[0])  # second: a kill in between loses nothing
    for batch_id in planned_batches()[-2:]:  # as many as Spark reads
        noted, metadata = _read_lines(batch_id)
        divided = by_source({topic: parts for ends in noted for topic, parts in ends.items()})
        if noted != divided:
            _write_offsets(batch_id, divided, metadata)


def plan(batch_id: int, end: Positions, timestamp_ms: int) -> None:
    """Note where the batch ends, before it runs; a restart runs it again with the same records and time."""
    metadata = {
        "batchWatermarkMs": 0,
        "batchTimestampMs": timestamp_ms,
        # What Spark noted with the batch before and compares at its next start.
        "conf": _read_lines(batch_id - 1)[1].get("conf", {}) if batch_id else {},
    }
    _write_offsets(batch_id, by_source(end), metadata)


def finish(batch_id: int) -> None:
    """Note that every table holds the batch, and forget the batch KEPT_BATCHES before it."""
    folder = checkpoint_dir()
    _write(folder / "commits" / str(batch_id), f'{VERSION}\n{{"nextBatchWatermarkMs":0}}')
    forgotten = str(batch_id - KEPT_BATCHES)
    for log in ("offsets", "commits"):
        (folder / log / forgotten).unlink(missing_ok=True)
        (folder / log / f".{forgotten}.crc").unlink(missing_ok=True)


def _read_offsets(batch_id: int, state_dir: Path | None = None) -> tuple[Positions, dict[str, Any]]:
    """(end offsets, metadata) of a planned batch."""
    sources, metadata = _read_lines(batch_id, state_dir)
    end: Positions = {}
    for source in sources:
        end |= source
    return end, metadata


def _read_lines(batch_id: int, state_dir: Path | None = None) -> tuple[list[Positions], dict[str, Any]]:
    """The file of a planned batch: its version, metadata, then a line of end offsets for each source."""
    file = checkpoint_dir(state_dir) / "offsets" / str(batch_id)
    lines = file.read_text(errors="replace").splitlines()
    try:
        return [json.loads(lines[2]), *map(json.loads, lines[3:])], json.loads(lines[1])
    except (IndexError, ValueError):
        raise DamagedCheckpoint(f"{file} cannot be read; remedy: ./run.sh rebuild checkpoint") from None


def _batch_numbers(log: Path) -> list[int]:
    return sorted(int(file.name) for file in log.glob("[0-9]*") if file.name.isdigit())


def _write_source(number: int, positions: Positions) -> None:
    # Spark skips the first byte, which its version 2.1 read as another version of the file.
    _write(source_file(number), f"\0{VERSION}\n{json.dumps(positions)}")


def _write_offsets(batch_id: int, ends: Sequence[Positions], metadata: dict[str, Any]) -> None:
    lines = (VERSION, json.dumps(metadata), *map(json.dumps, ends))
    _write(checkpoint_dir() / "offsets" / str(batch_id), "\n".join(lines))


def _write(file: Path, text: str) -> None:
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)  # Spark's checksum of other content
    write_bytes(file, text.encode("utf-8"), is_durable=True)
