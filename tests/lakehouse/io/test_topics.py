"""Topics are created with the replicas of the knob."""

from pathlib import Path

import pytest

from conf.settings import settings
from lakehouse.io.kafka import create_topics
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
