"""The topics of older systems (knob `kafka.legacy_topics`), of which a batch takes few records."""

import pyarrow as pa

from conf.settings import settings
from lakehouse.bronze.records import RECORDS
from streaming_jobs.embedded.feed import after
from streaming_jobs.embedded.reader import Assignment, Positions, consumer, ends_of, record_batch


class OlderTopics:
    """Reads them in this process: so few records take no time that a batch would miss."""

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
        ends = ends_of(messages)
        records = record_batch([message for message in messages if message.error() is None])
        reached = dict(self._reached)
        for topic, numbers in (*after(records).items(), *ends.items()):
            reached[topic] = reached[topic] | numbers
        if reached == self._reached:
            return None
        self._reached = reached
        return pa.Table.from_batches([records], RECORDS), reached

    def close(self) -> None:
        """Leave the broker."""
        if self._reader:
            self._reader.close()
