"""bronze.events -> the event-id index, after it was lost or set back by a crash."""

import logging
import shutil
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.io.checkpoint import batch_offsets
from lakehouse.io.delta import open_table, table_uri
from streaming_jobs.batch.batch_time import batch_time, newest_other_batch
from streaming_jobs.batch.event_index import EventIds, damage

log = logging.getLogger("lumbung.rebuild")


def bronze_without(spark: SparkSession, time: datetime | None) -> DataFrame:
    """Rows of bronze.events but those of the batch of that time, which will run again; all when None.

    Not by Kafka's positions: records of a broker that was wiped since have any.
    """
    rows = spark.read.format("delta").load(table_uri("bronze.events"))
    return rows if time is None else rows.filter(F.col("ingested_at") != F.lit(time))


def drop_damaged_ids() -> bool:
    """Whether the index was damaged; then it is deleted, and `refill_ids` fills it from bronze."""
    folder = settings().state_dir / "event_ids"
    reason = damage(folder)
    if reason:
        log.warning("the event-id index is damaged (%s): it is deleted and filled from bronze", reason)
        shutil.rmtree(folder)
    return bool(reason)


def refill_ids(spark: SparkSession, ids: EventIds, stream_id: str, batch_id: int) -> None:
    """Fill the index from bronze unless its last batch is `batch_id` (a retry) or the one before it."""
    last = ids.last_batch()
    if last in ((stream_id, batch_id - 1), (stream_id, batch_id)) or (
        last is None and not open_table("bronze.events").count()
    ):
        return
    time = batch_time(batch_offsets(batch_id).time, newest_other_batch(stream_id, batch_id))
    hashes = (
        bronze_without(spark, time)
        .select(
            "kind",
            "event_id",
            F.xxhash64(F.col("value").cast("string")).alias("payload_hash"),
            "ingested_at",
            "partition",
            "offset",
        )
        .orderBy("ingested_at", "partition", "offset")
        .select("kind", "event_id", "payload_hash")
    )
    log.warning(
        "the event-id index is at %s, needed is batch %d: filling it from bronze",
        last,
        batch_id - 1,
    )
    count = ids.refill(hashes.toArrow().to_batches(), stream_id, batch_id - 1)
    log.info("event-id index: %d ids", count)
