"""Positions that the embedded engine's reader reports: those of a batch must cover each of its records."""

import pyarrow as pa
import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from streaming_jobs.embedded.feed import after
from streaming_jobs.embedded.reader import ends_of, record_batch


def record(offset: int, partition: int = 0) -> Message:
    return Message(
        topic="t", partition=partition, offset=offset, key=b"k", value=b"v", timestamp=(1, 0), headers=[]
    )


def end(offset: int, partition: int = 0, code: int = KafkaError._PARTITION_EOF) -> Message:
    return Message(topic="t", partition=partition, offset=offset, error=KafkaError(code))


def test_end_of_a_partition_is_reported():
    assert ends_of([record(560), end(561), end(7, partition=1)]) == {"t": {"0": 561, "1": 7}}


def test_records_that_follow_an_end_are_not_before_it():
    """Otherwise the next batch began at the end, and its first records were stored twice."""
    messages = [record(560), end(561), end(7, partition=1), record(561), record(562)]
    ends = ends_of(messages)
    assert ends == {"t": {"1": 7}}
    records = pa.table(record_batch([each for each in messages if each.error() is None]))
    assert after(records, ends) == {"t": {"0": 563, "1": 7}}
    assert after(records, {"t": {"0": 561}}) == {"t": {"0": 563}}, "an end that was known before"
    assert after(records, {"t": {"0": 564}}) == {"t": {"0": 564}}, "the end of a transaction"
    assert ends_of([*messages, end(563)]) == {"t": {"0": 563, "1": 7}}


def test_other_error_is_raised():
    with pytest.raises(KafkaException):
        ends_of([record(1), end(2, code=KafkaError._ALL_BROKERS_DOWN)])
