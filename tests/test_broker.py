"""The tests' own brokers: `records` returns all that Kafka holds, and nothing that it does not."""

from pathlib import Path

import pytest
from confluent_kafka import Producer

from conf.settings import settings
from lakehouse.io.kafka import client_config
from tests.conftest import Broker

TOPIC = "lumbung.price"


def send(broker: Broker, *values: bytes, partition: int = 0) -> None:
    """Returns when the broker has acknowledged them."""
    producer = Producer({**client_config(broker.stack.bootstrap), "linger.ms": 0})
    for value in values:
        producer.produce(TOPIC, value, partition=partition)
    assert producer.flush(60) == 0


def check_records(broker: Broker) -> None:
    send(broker, b"before")
    since = broker.ends()
    assert broker.records(since, TOPIC) == []
    values = [b"%d" % number for number in range(1000)]
    for partition in (0, 1):
        send(broker, *values[partition::2], partition=partition)
    records = broker.records(since, TOPIC)
    assert len(records) == len(values)
    for partition in (0, 1):
        assert [each.value() for each in records if each.partition() == partition] == values[partition::2]
    assert broker.records(broker.ends(), TOPIC) == broker.records(since, "lumbung.sensor") == []


def test_records_of_the_mock_cluster_are_read_whole_and_in_order(broker: Broker) -> None:
    check_records(broker)


def test_records_of_a_real_broker_are_read_whole_and_in_order(real_broker: Broker) -> None:
    check_records(real_broker)


def test_records_that_do_not_come_are_reported_with_the_number_of_those_that_came(broker: Broker) -> None:
    since = broker.ends()
    send(broker, b"one")
    with pytest.raises(pytest.fail.Exception, match=f"1 of 2 records in {TOPIC}"):
        broker.records(since, TOPIC, 2, seconds=0)


def partitions(broker: Broker) -> int:
    return sum(topic == TOPIC for topic, _ in broker.ends())


def test_home_is_on_the_mock_cluster(broker: Broker, home: Path) -> None:
    knobs = settings().kafka
    assert (knobs.bootstrap, knobs.partitions) == (broker.stack.bootstrap, partitions(broker))


def test_home_is_on_the_real_broker_where_a_test_requests_it(real_broker: Broker, home: Path) -> None:
    knobs = settings().kafka
    assert (knobs.bootstrap, knobs.partitions) == (real_broker.stack.bootstrap, partitions(real_broker))
