"""Bronze -> everything else, again: silver, quarantine, gold, the event-id index, a lost checkpoint."""

import logging

from pyspark.sql import SparkSession

from streaming_jobs.delta_sink import path_of
from streaming_jobs.event_ids import EventIds
from streaming_jobs.kafka_source import batch_offsets

log = logging.getLogger("lumbung.rebuild")


def refill_ids(spark: SparkSession, ids: EventIds, stream_id: str, batch_id: int) -> None:
    """Make the index again from bronze unless it stands at the batch before `batch_id` (or at it, when that is retried)."""
    if ids.last_batch() in ((stream_id, batch_id - 1), (stream_id, batch_id)) or (ids.last_batch() is None and batch_id == 0):
        return
    start = batch_offsets(batch_id).start
    spark.createDataFrame(
        [(topic, int(partition), offset) for topic, parts in start.items() for partition, offset in parts.items()],
        "topic string, partition int, start bigint",
    ).createOrReplaceTempView("positions")
    spark.read.format("delta").load(path_of("bronze.events")).createOrReplaceTempView("bronze_events")
    known = spark.sql(
        "select kind, event_id, xxhash64(cast(value as string)) as payload_hash from bronze_events join positions "
        "using (topic, partition) where offset < start order by ingested_at, topic, partition, offset"
    )
    log.warning("the event-id index stands at %s, wanted batch %d: making it again from bronze", ids.last_batch(), batch_id - 1)
    count = ids.refill(known.toArrow().to_batches(), stream_id, batch_id - 1)
    log.info("event-id index: %d ids", count)
