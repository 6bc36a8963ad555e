"""The records of a batch that was planned before, by either engine, and runs again."""

import threading
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.bronze.records import RECORDS
from streaming_jobs.embedded.feed import after
from streaming_jobs.embedded.reader import CHUNK_RECORDS, Assignment, Positions, chunks, consumer


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
        parts: list[pa.RecordBatch] = []
        arriving = chunks(reader, CHUNK_RECORDS)
        while _missing(reached, end):
            if stopping.is_set():
                return None
            records, ends = next(arriving)
            parts.append(records)
            for topic, numbers in (*after(records).items(), *ends.items()):
                reached[topic].update(numbers)
            for topic, number in _missing(ends, end):
                held = f"{topic}/{number} ends at {ends[topic][number]}"
                raise RuntimeError(f"the batch was planned up to {end[topic][number]}, but {held}")
    finally:
        reader.close()
    return pa.Table.from_batches(parts, RECORDS).filter(_before(end))


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
