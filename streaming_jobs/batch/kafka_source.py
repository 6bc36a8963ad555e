"""Kafka -> rows of bronze.events: the one streaming source."""

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.bronze.events import events
from streaming_jobs.flows import stream_topics


def subscribed() -> list[str]:
    """Topics that the stream reads: one a kind, and those of older systems."""
    return [*stream_topics(), *settings().kafka.legacy_topics]


def starting_offsets_file() -> Path:
    """Offsets at which a repaired stream begins; written by `rebuild checkpoint`."""
    return settings().state_dir / "starting_offsets.json"


def starting_after_file() -> Path:
    """The version of bronze.events after which those offsets follow."""
    return settings().state_dir / "starting_after.txt"


def records(spark: SparkSession) -> DataFrame:
    """Rows of bronze.events from all topics.

    `ingested_at` is when the batch was planned, the same when it is retried; the writer corrects it after a
    step back of the clock.
    """
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
