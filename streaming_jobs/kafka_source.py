"""Kafka -> records: the one streaming source, and what its checkpoint says about a batch."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.bronze.events import events
from streaming_jobs.flows import HOT

Positions = dict[str, dict[str, int]]  # topic -> partition -> next offset


def subscribed() -> list[str]:
    """Topics that the stream reads: one a kind, and those of older systems."""
    return [*HOT.topics, *settings().kafka.legacy_topics]


def checkpoint_dir() -> Path:
    return settings().state_dir / "checkpoint"


def starting_offsets_file() -> Path:
    """Where a repaired stream begins; written by `rebuild checkpoint`, read when the checkpoint is new."""
    return settings().state_dir / "starting_offsets.json"


def starting_after_file() -> Path:
    """The version of bronze.events behind which that beginning lies."""
    return settings().state_dir / "starting_after.txt"


def records(spark: SparkSession) -> DataFrame:
    """Rows of bronze.events from all topics of the flow; `ingested_at` is the batch's time, the same when it is retried."""
    start = starting_offsets_file()
    source = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings().kafka.bootstrap)
        .option("subscribe", ",".join(subscribed()))
        .option("startingOffsets", start.read_text() if start.exists() else "earliest")
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .option("kafka.max.poll.records", 20000)
        .option("maxOffsetsPerTrigger", settings().stream.max_events_per_batch)
        .load()
        .withColumn("ingested_at", F.current_timestamp())
    )
    return events(source)  # here, not per batch: Spark then resolves it once


@dataclass(frozen=True)
class BatchOffsets:
    """Offsets of one micro-batch: [start, end) per topic and partition, and the batch's timestamp in milliseconds."""

    start: Positions
    end: Positions
    timestamp_ms: int

    @property
    def time(self) -> datetime:
        """`ingested_at` of the batch's rows."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    @property
    def rows(self) -> dict[str, int]:
        """Records per topic; topics without any are left out."""
        counts = {
            topic: sum(end - self.start.get(topic, {}).get(partition, end) for partition, end in partitions.items())
            for topic, partitions in self.end.items()
        }
        return {topic: count for topic, count in counts.items() if count}


def _read_offsets(batch_id: int) -> tuple[Positions, dict[str, Any]]:
    lines = (checkpoint_dir() / "offsets" / str(batch_id)).read_text().splitlines()
    return json.loads(lines[2]), json.loads(lines[1])


def first_offsets() -> Positions:
    """Where the source began, as it noted it in the checkpoint."""
    noted = (checkpoint_dir() / "sources" / "0" / "0").read_text()
    found: Positions = json.loads(noted[noted.index("{") :])
    return found


def batch_offsets(batch_id: int) -> BatchOffsets:
    """What the checkpoint notes of a batch before it runs. OSError or ValueError when the checkpoint is damaged."""
    end, metadata = _read_offsets(batch_id)
    start = _read_offsets(batch_id - 1)[0] if batch_id > 0 else first_offsets()
    return BatchOffsets(start, end, int(metadata["batchTimestampMs"]))


def stream_id() -> str | None:
    """The checkpoint's uuid, None when there is no checkpoint."""
    file = checkpoint_dir() / "metadata"
    return str(json.loads(file.read_text())["id"]) if file.exists() else None


def _numbers(folder: str) -> list[int]:
    place = checkpoint_dir() / folder
    return sorted(int(file.name) for file in place.glob("[0-9]*") if file.name.isdigit()) if place.exists() else []


def planned_batches() -> list[int]:
    """Batch numbers whose offsets are noted."""
    return _numbers("offsets")


def finished_batches() -> list[int]:
    """Batch numbers that are done."""
    return _numbers("commits")
