"""bronze.events -> the event-id index, again: after it was lost, or set back by a crash."""

import logging

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streaming_jobs.delta_sink import open_table, path_of
from streaming_jobs.event_ids import EventIds
from streaming_jobs.kafka_source import Positions, batch_offsets

log = logging.getLogger("lumbung.rebuild")


def positions_frame(spark: SparkSession, positions: Positions) -> DataFrame:
    """topic, partition, bound (next offset)."""
    rows = [(topic, int(partition), bound) for topic, parts in positions.items() for partition, bound in parts.items()]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    types = (pa.string(), pa.int32(), pa.int64())
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, types, strict=True)]
    return spark.createDataFrame(pa.table(arrays, names=["topic", "partition", "bound"]))


def bronze_until(spark: SparkSession, positions: Positions | None) -> DataFrame:
    """Rows of bronze.events before the positions; all of them when None."""
    rows = spark.read.format("delta").load(path_of("bronze.events"))
    if positions is None:
        return rows
    bounds = F.broadcast(positions_frame(spark, positions))
    return rows.join(bounds, ["topic", "partition"]).filter("offset < bound").select(*rows.columns)


def refill_ids(spark: SparkSession, ids: EventIds, stream_id: str, batch_id: int) -> None:
    """Make the index again from bronze unless it stands at the batch before `batch_id` (or at it, when that is retried)."""
    stands = ids.last_batch()
    if stands in ((stream_id, batch_id - 1), (stream_id, batch_id)) or (
        stands is None and not open_table("bronze.events").count()
    ):
        return
    known = (
        bronze_until(spark, batch_offsets(batch_id).start)
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
    log.warning("the event-id index stands at %s, wanted batch %d: making it again from bronze", ids.last_batch(), batch_id - 1)
    count = ids.refill(known.toArrow().to_batches(), stream_id, batch_id - 1)
    log.info("event-id index: %d ids", count)
