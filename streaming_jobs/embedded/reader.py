"""Kafka -> Arrow by librdkafka, in a process of its own that reads ahead while batches are judged.

`python -m streaming_jobs.embedded.reader`: standard input gives the `Assignment` as JSON; standard output is
a stream of Arrow record batches. It ends with the process that started it.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from itertools import chain

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from lakehouse.bronze.records import RECORDS

Positions = dict[str, dict[str, int]]  # topic -> partition -> next offset
CHUNK_RECORDS = 5000
MORE_SECONDS = 0.02  # for which a chunk waits for further records
IDLE_SECONDS = 1.0  # how often it is checked that the other process lives
END = b"end"  # metadata of a chunk: positions that no record shows
LATEST_MILLISECONDS = 253_402_214_400_000  # the last day of the calendar; a producer may give any time


@dataclass(frozen=True)
class Assignment:
    """What is read: from which offset of each partition on, from which brokers, in chunks of which size."""

    positions: Positions
    bootstrap: str
    chunk_records: int = CHUNK_RECORDS


def consumer(assignment: Assignment) -> Consumer:
    """A consumer at the positions. It commits none, and fails where Kafka no longer holds a record."""
    reader = Consumer(
        {
            "bootstrap.servers": assignment.bootstrap,
            "log_level": 0,  # while the broker restarts it would log ten times a second
            "error_cb": lambda error: None,
            "group.id": "lumbung-stream",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,  # its position lies beyond the ends of transactions
            "auto.offset.reset": "error",
            "isolation.level": "read_uncommitted",
            "queued.max.messages.kbytes": 32 << 10,
        }
    )
    reader.assign(
        [
            TopicPartition(topic, int(partition), offset)
            for topic, partitions in assignment.positions.items()
            for partition, offset in partitions.items()
        ]
    )
    return reader


def chunks(reader: Consumer, most: int) -> Iterator[tuple[pa.RecordBatch, Positions]]:
    """Records as they arrive, and positions at the end of a partition; without either after IDLE_SECONDS.

    Raises KafkaException.
    """
    while True:
        first = reader.poll(IDLE_SECONDS)
        messages: list[Message] = []
        if first is not None:  # a message without a value is false
            messages = [first, *(reader.consume(most - 1, MORE_SECONDS) if most > 1 else ())]
        ends = ends_of(messages)
        yield record_batch([message for message in messages if message.error() is None]), ends


def ends_of(messages: Sequence[Message]) -> Positions:
    """The ends of partitions after which no record of theirs follows. Raises KafkaException."""
    ends: Positions = {}
    for message in messages:
        error = message.error()
        if error is None:  # it arrived after its partition had ended
            ends.get(message.topic(), {}).pop(str(message.partition()), None)
        elif error.code() == KafkaError._PARTITION_EOF:
            ends.setdefault(message.topic(), {})[str(message.partition())] = message.offset()
        else:
            raise KafkaException(error)
    return ends


def record_batch(messages: Sequence[Message]) -> pa.RecordBatch:
    """The messages as RECORDS."""
    headers = [headers_of(message) for message in messages]
    names, values = zip(*chain.from_iterable(headers), strict=True) if any(headers) else ((), ())
    starts = np.cumsum([0, *map(len, headers)], dtype=np.int32)
    types = RECORDS.field("headers").type.value_type
    pairs = pa.StructArray.from_arrays(
        [pa.array(names, pa.string()), pa.array(values, pa.binary())], fields=list(types)
    )
    milliseconds = np.array([message.timestamp()[1] for message in messages], dtype=np.int64)
    columns = {
        "topic": pa.array([message.topic() for message in messages], pa.string()),
        "partition": pa.array([message.partition() for message in messages], pa.int32()),
        "offset": pa.array([message.offset() for message in messages], pa.int64()),
        # `cast` would load all of pyarrow.compute first: 0.1 s.
        "timestamp": pa.array(milliseconds.clip(0, LATEST_MILLISECONDS) * 1000).view(
            RECORDS.field("timestamp").type
        ),
        "key": pa.array([message.key() for message in messages], pa.binary()),
        "value": pa.array([message.value() for message in messages], pa.binary()),
        "headers": pa.ListArray.from_arrays(pa.array(starts), pairs),
    }
    return pa.RecordBatch.from_pydict(columns, schema=RECORDS)


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """Names and values; none where a name is no UTF-8, which librdkafka's Python cannot read."""
    try:
        return message.headers() or []
    except (UnicodeDecodeError, SystemError):
        return []


class WithoutPandas(MetaPathFinder):
    """As if pandas were not installed: pyarrow loads it with the first array, to know a series from a list.

    That takes 0.4 s of CPU and 50 MB in a process that has no series.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Raises ModuleNotFoundError for pandas."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def main() -> None:
    """Read from the assignment on until the process that started this one is gone."""
    sys.meta_path.insert(0, WithoutPandas())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group; the stream stops its reader
    started_by = os.getppid()
    assignment = Assignment(**json.load(sys.stdin))
    reader = consumer(assignment)
    known: Positions = {}
    with pa.ipc.new_stream(sys.stdout.buffer, RECORDS) as out:
        for records, ends in chunks(reader, assignment.chunk_records):
            if os.getppid() != started_by:
                return
            if records.num_rows or any(known.get(topic) != ends[topic] for topic in ends):
                known |= ends
                out.write_batch(records, custom_metadata={END: json.dumps(ends)})
                sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
