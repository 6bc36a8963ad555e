"""Spark Structured Streaming reads Kafka and keeps the checkpoint; batches leave it as Arrow tables."""

import logging
import shutil

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from conf.settings import settings
from lakehouse.bronze.records import RECORDS
from lakehouse.io.checkpoint import checkpoint_dir
from streaming_jobs.batch import kafka_source
from streaming_jobs.engine import ProcessBatch
from streaming_jobs.session import session

log = logging.getLogger("lumbung.stream")
TOO_LARGE = "spark.driver.maxResultSize"  # in Spark's message
MORE_PARTS = 4


def start_spark() -> SparkSession:
    """A session that has loaded what a batch needs."""
    logging.getLogger("py4j").setLevel(logging.WARNING)
    shutil.rmtree(settings().home / "spark", ignore_errors=True)
    log.info("starting Spark")
    spark = session()
    spark.range(1).toArrow()  # loads the classes that the first batch would wait for
    return spark


def records(spark: SparkSession) -> DataFrame:
    """Records of all topics as a stream, with the columns of RECORDS."""
    start = kafka_source.starting_offsets_file()
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings().kafka.bootstrap)
        .option("subscribe", ",".join(kafka_source.subscribed()))
        .option("startingOffsets", start.read_text() if start.exists() else "earliest")
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .option("kafka.max.poll.records", 20000)
        .option("maxOffsetsPerTrigger", settings().stream.max_events_per_batch)
        .load()
        .select(*RECORDS.names)  # here, not per batch: Spark then resolves it once
    )


def arrow_rows(frame: DataFrame, parts: int = 1) -> pa.Table:
    """All rows of a frame of records, in any order.

    They pass through the heap of the driver. Large events may not fit into it at once: Spark then refuses
    (`spark.driver.maxResultSize`), and they are read in more parts, by offset.
    """
    try:
        if parts == 1:
            return frame.toArrow()
        chosen = (frame.filter(F.col("offset") % parts == part) for part in range(parts))
        return pa.concat_tables([rows.toArrow() for rows in chosen])
    except Py4JJavaError as error:
        if TOO_LARGE not in str(error):
            raise
    return arrow_rows(frame, parts * MORE_PARTS)


class SparkEngine:
    """One streaming query; see `streaming_jobs.engine.Engine`."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._query: StreamingQuery | None = None

    def start(self, process: ProcessBatch, once: bool) -> None:
        """Start the query."""
        pause = f"{settings().stream.trigger_milliseconds} milliseconds"
        self._query = (
            records(self._spark)
            .writeStream.foreachBatch(lambda frame, batch_id: process(arrow_rows(frame), batch_id))
            .option("checkpointLocation", str(checkpoint_dir()))
            .queryName("lumbung")
            .trigger(**({"availableNow": True} if once else {"processingTime": pause}))
            .start()
        )

    @property
    def is_active(self) -> bool:
        """Whether the query runs."""
        return self._query is not None and self._query.isActive

    def wait(self) -> None:
        """Return when the query has ended. Raises StreamingQueryException when it failed."""
        if self._query:
            self._query.awaitTermination()

    def stop(self) -> None:
        """Stop the query."""
        if self._query:
            self._query.stop()

    @property
    def failure(self) -> BaseException | None:
        """The query's exception; None without one."""
        return self._query.exception() if self._query else None

    def close(self) -> None:
        """Stop Spark."""
        self._spark.stop()
