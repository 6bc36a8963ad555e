"""The stream without a JVM: librdkafka reads, in a process of its own, and this one judges and writes."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import KafkaException

from conf.settings import settings
from lakehouse.bronze.records import RECORDS
from lakehouse.event import topics
from lakehouse.io import checkpoint
from lakehouse.io.checkpoint import Batch
from lakehouse.io.delta import Positions
from lakehouse.io.kafka import partition_bounds, subscribed
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.batch_time import next_batch
from streaming_jobs.batch.task import BatchTask, Written, judge_records
from streaming_jobs.embedded.feed import RecordFeed, after
from streaming_jobs.embedded.reader import (
    CHUNK_RECORDS,
    Assignment,
    chunks,
    consumer,
    ends_of,
    record_batch,
)
from streaming_jobs.engine import ProcessBatch

log = logging.getLogger("lumbung.stream")
WAIT_SECONDS = 0.5  # how often it is checked whether to stop, while no records arrive
PARTITIONS_SECONDS = 60.0  # how often topics are searched for new partitions


class OlderTopics:
    """Reads the topics of older systems (knob `kafka.legacy_topics`), of which a batch takes few records.

    In this process: so few records take no time that a batch would miss.
    """

    def __init__(self, positions: Positions | None = None) -> None:
        """`positions`: the next offsets; without topics `take` returns nothing."""
        knobs = settings()
        self._most = min(knobs.kafka.batch_size, knobs.stream.max_events_per_batch)
        self._reached = dict(positions or {})
        self._reader = consumer(Assignment(positions, knobs.kafka.bootstrap)) if positions else None

    def take(self) -> tuple[pa.Table, Positions] | None:
        """At most `kafka.batch_size` records that have arrived, and the positions after them.

        None when there is nothing new. Raises KafkaException.
        """
        if self._reader is None:
            return None
        messages = self._reader.consume(self._most, 0)
        batch = record_batch([message for message in messages if message.error() is None])
        records = pa.Table.from_batches([batch], RECORDS)
        new = after(records, ends_of(messages))
        reached = {topic: numbers | new.get(topic, {}) for topic, numbers in self._reached.items()}
        if reached == self._reached:
            return None
        self._reached = reached
        return records, reached

    def close(self) -> None:
        """Leave the broker."""
        if self._reader:
            self._reader.close()


class TableRecords:
    """The records of a batch in this process; see `BatchRecords`."""

    def __init__(self, records: pa.Table) -> None:
        self._records = records

    def read(self, topics: Sequence[str]) -> pa.Table:
        """Those of some topics."""
        return self._records.filter(pc.field("topic").isin(list(topics)))

    def judged(self, task: BatchTask, without: Sequence[str]) -> list[Written]:
        """Judge and write those of the other topics."""
        return judge_records(task, self._records.filter(~pc.field("topic").isin(list(without))))


class EmbeddedEngine:
    """One thread that runs batch after batch; see `streaming_jobs.engine.Engine`."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: BaseException | None = None

    def start(self, process: ProcessBatch, once: bool) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, args=(process, once), name="embedded-engine")
        self._thread.start()

    def _run(self, process: ProcessBatch, once: bool) -> None:
        try:
            _Batches(process, self._stopping).run(once)
        except BaseException as failure:  # noqa: BLE001  (whoever waits for the engine gets it)
            log.exception("the stream failed")
            self.failure = failure

    @property
    def is_active(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Finish the batch under way, then end."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        """Nothing is left after `stop`."""


class _Batches:
    """Runs batch after batch, from the end of the newest finished one on."""

    def __init__(self, process: ProcessBatch, stopping: threading.Event) -> None:
        self._process = process
        self._stopping = stopping
        self._before = kafka_source.begin()  # the newest finished batch

    def run(self, once: bool) -> None:
        """Until a stop; `once`: until every record that Kafka holds now is processed."""
        if tag := checkpoint.batch_under_way():
            self._repeat(Batch(self._before, tag))
        last = newest_offsets() if once else None
        while not self._stopping.is_set() and not self._is_done(last):
            own, older = (
                {topic: self._before.offsets[topic] for topic in of_topics}
                for of_topics in (topics(), settings().kafka.legacy_topics)
            )
            with closing(RecordFeed(self._assignment(own))) as feed, closing(OlderTopics(older)) as more:
                self._follow(feed, more, last)

    def _assignment(self, positions: Positions) -> Assignment:
        most = settings().stream.max_events_per_batch
        return Assignment(positions, settings().kafka.bootstrap, min(CHUNK_RECORDS, most))

    def _is_done(self, last: Positions | None) -> bool:
        return last is not None and is_reached(last, self._before.offsets)

    def _follow(self, feed: RecordFeed, older_topics: OlderTopics, last: Positions | None) -> None:
        """Batch after batch until a stop, until `last` is reached, or until a topic has a new partition."""
        pause = 0 if last else settings().stream.trigger_milliseconds / 1000
        checked = time.monotonic()
        while not self._stopping.is_set() and not self._is_done(last):
            began = time.monotonic()
            if taken := take(feed, older_topics):
                self._next(*taken)
                self._stopping.wait(began + pause - time.monotonic())
            if time.monotonic() - checked > PARTITIONS_SECONDS:
                checked = time.monotonic()
                if with_new_partitions(self._before.offsets) != self._before.offsets:
                    self._before = kafka_source.begin()  # refuses them of our topics
                    return

    def _next(self, records: pa.Table, reached: Positions) -> None:
        end = {topic: parts | reached.get(topic, {}) for topic, parts in self._before.offsets.items()}
        batch = next_batch(self._before, end)
        if batch.rows:  # the ends of partitions may be known already
            self._run(TableRecords(records), batch)

    def _repeat(self, batch: Batch) -> None:
        """Run an interrupted batch again, with the same records."""
        records = read_range(batch.before.offsets, batch.tag.offsets, self._stopping)
        if records is not None:
            self._run(TableRecords(records), batch)

    def _run(self, records: TableRecords, batch: Batch) -> None:
        self._process(records, batch)
        self._before = batch.tag


def take(feed: RecordFeed, older_topics: OlderTopics) -> tuple[pa.Table, Positions] | None:
    """Records of the next batch and the positions after them; None when nothing has arrived for a while."""
    few = older_topics.take()
    many = feed.take(settings().stream.max_events_per_batch, 0 if few else WAIT_SECONDS)
    if few and many:
        return pa.concat_tables([many[0], few[0]]), many[1] | few[1]
    return few or many


def newest_offsets() -> Positions:
    """The next offset of each partition that Kafka will give."""
    bounds = partition_bounds(subscribed())
    return {topic: {number: high for number, (_, high) in parts.items()} for topic, parts in bounds.items()}


def is_reached(last: Positions, positions: Positions) -> bool:
    """Whether every record before `last` lies before `positions`."""
    return all(
        positions.get(topic, {}).get(number, 0) >= offset
        for topic, parts in last.items()
        for number, offset in parts.items()
    )


def with_new_partitions(positions: Positions) -> Positions:
    """See `kafka_source.with_new_partitions`. While Kafka does not answer: the positions as given."""
    try:
        return kafka_source.with_new_partitions(positions, partition_bounds(subscribed()))
    except KafkaException:
        return positions


def read_range(start: Positions, end: Positions, stopping: threading.Event) -> pa.Table | None:
    """Records from `start` to before `end`; None when it is stopped while Kafka does not answer.

    Raises RuntimeError when Kafka no longer has them all.
    """
    reached = {
        topic: {
            number: first
            for number in numbers
            if (first := start.get(topic, {}).get(number, 0)) < numbers[number]
        }
        for topic, numbers in end.items()
    }
    reader = consumer(Assignment(reached, settings().kafka.bootstrap))
    try:
        parts: list[pa.Table] = []
        arriving = chunks(reader, CHUNK_RECORDS)
        while _missing(reached, end):
            if stopping.is_set():
                return None
            records, ends = next(arriving)
            parts.append(pa.Table.from_batches([records], RECORDS))
            for topic, numbers in after(parts[-1], ends).items():
                reached[topic].update(numbers)
            for topic, number in _missing(ends, end):
                held = f"{topic}/{number} ends at {ends[topic][number]}"
                raise RuntimeError(f"the batch reached {end[topic][number]}, but {held}")
    finally:
        reader.close()
    return pa.concat_tables(parts).filter(_before(end))


def _missing(reached: Positions, end: Positions) -> list[tuple[str, str]]:
    """Topic and partition of the positions that lie before `end`."""
    return [
        (topic, number)
        for topic, numbers in reached.items()
        for number, offset in numbers.items()
        if offset < end[topic][number]
    ]


def _before(end: Positions) -> pc.Expression:
    places = (
        (pc.field("topic") == topic) & (pc.field("partition") == int(number)) & (pc.field("offset") < last)
        for topic, numbers in end.items()
        for number, last in numbers.items()
    )
    return reduce(or_, places)
