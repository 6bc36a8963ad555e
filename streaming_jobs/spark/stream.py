"""Spark Structured Streaming reads Kafka, keeps the checkpoint and runs the tasks of a batch on executors.

A task has the records of whole places: `judge_records` judges them, writes their files, and returns some kB
for the driver.
"""

import json
import logging
import pickle
import shutil
import threading
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from conf.runtime.status_files import read_json
from conf.settings import settings, take_knobs
from lakehouse.bronze.records import RECORDS
from lakehouse.event import topics
from lakehouse.io.checkpoint import Positions, batch_offsets, checkpoint_dir, divide_by_source
from lakehouse.io.kafka import partition_bounds
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.task import BatchTask, Written, judge_records
from streaming_jobs.embedded.engine import read_range
from streaming_jobs.engine import ProcessBatch
from streaming_jobs.spark.session import session

log = logging.getLogger("lumbung.stream")
EARLIEST = -2  # as Spark writes it
# A batch has a task for so many events, and at most one a partition: starting a task costs as much as judging
# some thousand of them.
EVENTS_OF_A_TASK = 4000


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
    # The topics of older systems are one place, so one task has them.
    return own.unionAll(_source(spark, older, knobs.kafka.batch_size).coalesce(1)) if older else own


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
        # A consumer of the batch before still waits for records that come after it, and reads nothing else
        # until then: at 200 events/s a batch lost 0.15 s, the last one before a pause 1 s.
        .option("kafka.fetch.max.wait.ms", 10)
        .option("maxOffsetsPerTrigger", most)
        .load()
        .select(*RECORDS.names)  # here, not per batch: Spark then resolves it once
    )


def with_all_partitions(topics: Sequence[str], noted: Positions) -> dict[str, dict[str, int]]:
    """The noted offsets of every partition of the topics, which Spark requires; of others the first one.

    Raises KafkaException when the brokers do not answer.
    """
    bounds = partition_bounds(topics)
    return {topic: dict.fromkeys(bounds.get(topic, ()), EARLIEST) | noted.get(topic, {}) for topic in topics}


class FrameRecords:
    """The records of a batch as Spark has planned them; see `BatchRecords`."""

    def __init__(self, frame: DataFrame, batch_id: int) -> None:
        self._frame = frame
        self._offsets = batch_offsets(batch_id)

    def read(self, topics: Sequence[str]) -> pa.Table:
        """Read them again, by librdkafka: they are few, and Spark would read all topics for them."""
        start, end = (
            {topic: parts for topic, parts in positions.items() if topic in topics}
            for positions in (self._offsets.start, self._offsets.end)
        )
        records = read_range(start, end, threading.Event())
        assert records is not None  # nobody stops it  # noqa: S101
        return records

    def judged(self, task: BatchTask, without: Sequence[str]) -> list[Written]:
        """Run the tasks."""
        tasks = max(1, sum(self._offsets.rows.values()) // EVENTS_OF_A_TASK)
        rows = (
            self._frame.filter(~F.col("topic").isin(list(without)))
            .coalesce(tasks)
            .mapInArrow(partial(run_task, task), "written binary")
            .toArrow()
        )
        return [place for part in rows["written"].to_pylist() for place in pickle.loads(part)]  # noqa: S301


def run_task(task: BatchTask, records: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """In a worker: one row, what `judge_records` returns, pickled."""
    batches = [batch for batch in records if batch.num_rows]
    if batches:
        take_knobs(task.environment)
        written = judge_records(task, pa.Table.from_batches(batches).cast(RECORDS))
        yield pa.RecordBatch.from_pydict({"written": pa.array([pickle.dumps(written)], pa.binary())})


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
            .writeStream.foreachBatch(
                lambda frame, batch_id: process(FrameRecords(frame, batch_id), batch_id)
            )
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
