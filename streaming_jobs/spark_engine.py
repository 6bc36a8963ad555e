"""Spark Structured Streaming reads Kafka and keeps the checkpoint; batches leave it as Arrow tables."""

import json
import logging
import shutil
from collections.abc import Sequence

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from conf.runtime.status_files import read_json
from conf.settings import settings
from lakehouse.bronze.records import RECORDS
from lakehouse.event import topics
from lakehouse.io.checkpoint import Positions, checkpoint_dir, divide_by_source
from lakehouse.io.kafka import partition_bounds
from streaming_jobs.batch import kafka_source
from streaming_jobs.engine import ProcessBatch
from streaming_jobs.session import session

log = logging.getLogger("lumbung.stream")
EARLIEST = -2  # as Spark writes it
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
    knobs = settings()
    own = _source(spark, topics(), knobs.stream.max_events_per_batch)
    older = knobs.kafka.legacy_topics
    return own.unionAll(_source(spark, older, knobs.kafka.batch_size)) if older else own


def _source(spark: SparkSession, of_topics: Sequence[str], most: int) -> DataFrame:
    """Records of these topics, at most so many in a batch."""
    noted = read_json(kafka_source.starting_offsets_file())
    begin = json.dumps(with_all_partitions(of_topics, noted)) if noted else "earliest"
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings().kafka.bootstrap)
        .option("subscribe", ",".join(of_topics))
        .option("startingOffsets", begin)
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")
        .option("kafka.max.poll.records", 20000)
        .option("maxOffsetsPerTrigger", most)
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


def with_all_partitions(topics: Sequence[str], noted: Positions) -> dict[str, dict[str, int]]:
    """The noted offsets of every partition of the topics, which Spark requires; of others the first one.

    Raises KafkaException when the brokers do not answer.
    """
    bounds = partition_bounds(topics)
    return {topic: dict.fromkeys(bounds.get(topic, ()), EARLIEST) | noted.get(topic, {}) for topic in topics}


class SparkEngine:
    """One streaming query; see `streaming_jobs.engine.Engine`."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._query: StreamingQuery | None = None

    def start(self, process: ProcessBatch, once: bool) -> None:
        """Start the query."""
        divide_by_source()
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
