"""bronze.events -> the event-id index, after it was lost or set back by a crash."""

import logging

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.io.checkpoint import Positions, batch_offsets
from lakehouse.io.delta import open_table, table_uri
from streaming_jobs.batch.event_index import EventIds

log = logging.getLogger("lumbung.rebuild")


def positions_frame(spark: SparkSession, positions: Positions) -> DataFrame:
    """A frame of topic, partition and bound, the next offset."""
    rows = [
        (topic, int(partition), bound)
        for topic, parts in positions.items()
        for partition, bound in parts.items()
    ]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    types = (pa.string(), pa.int32(), pa.int64())
    arrays = [pa.array(list(column), type_) for column, type_ in zip(columns, types, strict=True)]
    return spark.createDataFrame(pa.table(arrays, names=["topic", "partition", "bound"]))


def bronze_until(spark: SparkSession, positions: Positions | None) -> DataFrame:
    """Rows of bronze.events before the positions; all of them when None."""
    rows = spark.read.format("delta").load(table_uri("bronze.events"))
    if positions is None:
        return rows
    bounds = F.broadcast(positions_frame(spark, positions))
    return rows.join(bounds, ["topic", "partition"]).filter("offset < bound").select(*rows.columns)


def refill_ids(spark: SparkSession, ids: EventIds, stream_id: str, batch_id: int) -> None:
    """Fill the index from bronze unless its last batch is `batch_id` (a retry) or the one before it."""
    last = ids.last_batch()
    if last in ((stream_id, batch_id - 1), (stream_id, batch_id)) or (
        last is None and not open_table("bronze.events").count()
    ):
        return
    hashes = (
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
    log.warning(
        "the event-id index is at %s, needed is batch %d: filling it from bronze",
        last,
        batch_id - 1,
    )
    count = ids.refill(hashes.toArrow().to_batches(), stream_id, batch_id - 1)
    log.info("event-id index: %d ids", count)
