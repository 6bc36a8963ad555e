"""The tests' broker, once it can tell where every partition ends."""

import time

import pytest
from confluent_kafka import KafkaException

from tests.conftest import Broker


@pytest.fixture(scope="session")
def broker(broker: Broker) -> Broker:
    """A topic that has just been made has no leader for a moment; whoever asks then for its end is refused."""
    end = time.monotonic() + 20
    while True:
        try:
            broker.ends()
            return broker
        except KafkaException:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
