"""Spark Structured Streaming reads Kafka, cuts it into batches and runs the tasks of a batch on executors.

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
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamReader

from conf.settings import settings, take_knobs
from lakehouse.arrow import arrow_schema
from lakehouse.bronze.records import RECORDS
from lakehouse.contracts.contract import contracts
from lakehouse.event import topics
from lakehouse.io.checkpoint import Batch, batch_under_way
from lakehouse.io.delta import BatchTag, Positions
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.batch_time import next_batch
from streaming_jobs.batch.task import BatchTask, Written, judge_records
from streaming_jobs.embedded.engine import read_range
from streaming_jobs.engine import ProcessBatch
from streaming_jobs.spark.session import session

log = logging.getLogger("lumbung.stream")
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


def checkpoint_dir() -> Path:
    """Where Spark notes the offsets of the query's batches; a new query begins with an empty one."""
    return settings().state_dir / "checkpoint"


def records(spark: SparkSession, start: Positions, end: Positions | None = None) -> DataFrame:
    """Records of all topics from `start` on, with the columns of RECORDS: a stream, or those before `end`."""
    knobs = settings()
    own = _source(spark, topics(), knobs.stream.max_events_per_batch, start, end)
    older = knobs.kafka.legacy_topics
    if end is not None:  # the knob may be another one than when the batch began
        older = [topic for topic in end if topic not in topics() and end[topic] != start.get(topic)]
    if not older:
        return own
    # The topics of older systems are one place, so one task has them.
    return own.unionAll(_source(spark, older, knobs.kafka.batch_size, start, end).coalesce(1))


def _source(
    spark: SparkSession, of_topics: Sequence[str], most: int, start: Positions, end: Positions | None
) -> DataFrame:
    """Records of these topics; of the stream at most so many in a batch."""
    reader: DataStreamReader | DataFrameReader = spark.readStream if end is None else spark.read
    options = {
        "kafka.bootstrap.servers": settings().kafka.bootstrap,
        "subscribe": ",".join(of_topics),
        "startingOffsets": json.dumps({topic: start[topic] for topic in of_topics}),
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "kafka.max.poll.records": "20000",
        # A consumer of the batch before still waits for records that come after it, and reads nothing else
        # until then: at 200 events/s a batch lost 0.15 s, the last one before a pause 1 s.
        "kafka.fetch.max.wait.ms": "10",
    }
    if end is None:
        options["maxOffsetsPerTrigger"] = str(most)
    else:
        options["endingOffsets"] = json.dumps(
            {topic: start[topic] | end.get(topic, {}) for topic in of_topics}
        )
    # `select` here, not per batch: Spark then resolves it once.
    return reader.format("kafka").options(**options).load().select(*RECORDS.names)


def planned_offsets(batch_id: int) -> Positions:
    """Where a batch of the query ends, as Spark has noted it: a version, metadata, then a line a source."""
    lines = (checkpoint_dir() / "offsets" / str(batch_id)).read_text().splitlines()
    ends: Positions = {}
    for line in lines[2:]:
        ends |= json.loads(line)
    return ends


class FrameRecords:
    """The records of a batch as Spark has planned them; see `BatchRecords`."""

    def __init__(self, frame: DataFrame, batch: Batch) -> None:
        self._frame = frame
        self._batch = batch

    def read(self, topics: Sequence[str]) -> pa.Table:
        """Read them again, by librdkafka: they are few, and Spark would read all topics for them."""
        start, end = (
            {topic: parts for topic, parts in positions.items() if topic in topics}
            for positions in (self._batch.before.offsets, self._batch.tag.offsets)
        )
        records = read_range(start, end, threading.Event())
        assert records is not None  # nobody stops it  # noqa: S101
        return records

    def judged(self, task: BatchTask, without: Sequence[str]) -> list[Written]:
        """Run the tasks."""
        tasks = max(1, sum(self._batch.rows.values()) // EVENTS_OF_A_TASK)
        rows = (
            self._frame.filter(~F.col("topic").isin(list(without)))
            .coalesce(tasks)
            .mapInArrow(partial(run_task, task), "written binary")
            .toArrow()
        )
        return written_of(rows)


def written_of(rows: pa.Table) -> list[Written]:
    """What the tasks of `run_task` returned."""
    return [written for part in rows["written"].to_pylist() for written in pickle.loads(part)]  # noqa: S301


def run_task(task: BatchTask, records: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """In a worker: one row, what `judge_records` returns, pickled."""
    batches = [batch for batch in records if batch.num_rows]
    if batches:
        take_knobs(task.environment)
        schema = arrow_schema(contracts()["bronze.events"]) if task.is_again else RECORDS
        written = judge_records(task, pa.Table.from_batches(batches).cast(schema))
        yield pa.RecordBatch.from_pydict({"written": pa.array([pickle.dumps(written)], pa.binary())})


class SparkEngine:
    """One streaming query; see `streaming_jobs.engine.Engine`."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._query: StreamingQuery | None = None
        self._before: BatchTag  # the newest finished batch

    def start(self, process: ProcessBatch, once: bool) -> None:
        """Finish an interrupted batch, then start the query behind it."""
        self._before = kafka_source.begin()
        if tag := batch_under_way():
            frame = records(self._spark, self._before.offsets, tag.offsets)
            self._run(process, frame, Batch(self._before, tag))
        shutil.rmtree(checkpoint_dir(), ignore_errors=True)  # of an earlier query; the tables know more
        pause = f"{settings().stream.trigger_milliseconds} milliseconds"
        self._query = (
            records(self._spark, self._before.offsets)
            .writeStream.foreachBatch(lambda frame, number: self._next(process, frame, number))
            .option("checkpointLocation", str(checkpoint_dir()))
            .queryName("lumbung")
            .trigger(**({"availableNow": True} if once else {"processingTime": pause}))
            .start()
        )

    def _next(self, process: ProcessBatch, frame: DataFrame, number: int) -> None:
        batch = next_batch(self._before, planned_offsets(number))
        if batch.rows:  # `availableNow` also runs a batch of nothing
            self._run(process, frame, batch)

    def _run(self, process: ProcessBatch, frame: DataFrame, batch: Batch) -> None:
        process(FrameRecords(frame, batch), batch)
        self._before = batch.tag

    @property
    def is_active(self) -> bool:
        """Whether the query runs."""
        return self._query is not None and self._query.isActive

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
