"""Topics are created with the replicas of the knob; their offsets are read as soon as they have a leader."""

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from conf.settings import settings
from lakehouse.io.kafka import bounds_by, client_config, create_topics
from tests.conftest import Broker


def test_topic_needs_as_many_brokers_as_the_knob_has_replicas(
    home: Path, real_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMBUNG_KAFKA__REPLICATION_FACTOR", "2")
    settings.cache_clear()
    with pytest.raises(RuntimeError, match="replicated.*could not be created.*REPLICATION_FACTOR"):
        create_topics(["replicated"])
    monkeypatch.setenv("LUMBUNG_KAFKA__REPLICATION_FACTOR", "1")
    settings.cache_clear()
    assert create_topics(["replicated"]) == ["replicated"]


class WithoutLeader(AdminClient):
    """A client whose first request for offsets a broker refuses, as it does right after a topic was made."""

    def __init__(self, config: dict[str, Any], code: int) -> None:
        super().__init__(config)
        self.refusals = [code]

    def list_offsets(self, *arguments: Any, **more: Any) -> Any:
        if self.refusals:
            raise KafkaException(KafkaError(self.refusals.pop()))
        return super().list_offsets(*arguments, **more)


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_LEADER_EPOCH])
def test_offsets_of_a_topic_that_was_just_made_are_read(broker: Broker, code: int) -> None:
    client = WithoutLeader(client_config(broker.stack.bootstrap), code)
    assert bounds_by(client, ["lumbung.price"])["lumbung.price"] and not client.refusals


def test_other_errors_of_kafka_are_raised_at_once(broker: Broker) -> None:
    client = WithoutLeader(client_config(broker.stack.bootstrap), KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        bounds_by(client, ["lumbung.price"])
