"""The stream in this process: a real Spark, a real broker, a fresh lake per test."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from pyspark.sql import SparkSession

from conf.broker import partition_of, producer_config
from lakehouse.event import Event, event_id_of, lenient_payload, rfc3339
from streaming_jobs import batch, guard, kafka_source
from streaming_jobs import run as running
from streaming_jobs.delta_sink import create_tables, open_table
from streaming_jobs.session import session
from tests.conftest import Broker

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


@pytest.fixture(scope="session")
def spark(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMBUNG_HOME", str(tmp_path_factory.mktemp("spark")))
        from conf.settings import settings

        settings.cache_clear()
        made = session("tests")
    settings.cache_clear()
    yield made
    made.stop()


def price(event_id: str | None, value: object = 11500, **more: object) -> bytes:
    fields: dict[str, object] = {"market_id": "PASAR-001", "commodity": "garam", "price": value, "event_time": rfc3339(NOW)}
    return orjson.dumps(({"event_id": event_id} if event_id else {}) | fields | more)


def reading(event_id: str, **metrics: object) -> bytes:
    return orjson.dumps({"event_id": event_id, "market_id": "PASAR-001", "event_time": rfc3339(NOW), **metrics})


class Crash(Exception):
    """Thrown at a fail point instead of SIGKILL."""


class Stream:
    """What Kafka holds from now on, and the stream that takes it up."""

    def __init__(self, spark: SparkSession, broker: Broker) -> None:
        self.spark, self.broker = spark, broker
        self.sent = 0
        create_tables()
        start_at: dict[str, dict[str, int]] = {topic: {} for topic in kafka_source.subscribed()}
        for (topic, partition), offset in broker.ends().items():
            if topic in start_at:
                start_at[topic][str(partition)] = offset
        kafka_source.starting_offsets_file().parent.mkdir(parents=True, exist_ok=True)
        kafka_source.starting_offsets_file().write_text(json.dumps(start_at))

    def send(self, *payloads: bytes, kind: str = "price", source: str = "test:1") -> None:
        producer = Producer(producer_config())
        for payload in payloads:
            event_id = event_id_of(lenient_payload(payload), payload, source)
            event = Event(kind, "one-series", payload, event_id, source, datetime.now(UTC))
            producer.produce(event.topic, event.value, event.key, partition_of(event.together), headers=event.headers)
        assert producer.flush(20) == 0
        self.sent += len(payloads)

    def fill(self) -> None:
        """One event into each partition of each kind: the topics hold the records of other tests too."""
        producer = Producer(producer_config())
        for partition in (0, 1):
            for kind, value in (("price", price(f"fill-{partition}")), ("sensor", reading(f"fill-{partition}", crowd_count=1))):
                event = Event(kind, "", value, f"fill-{partition}", "test:1", datetime.now(UTC))
                producer.produce(event.topic, value, partition=partition, headers=event.headers)
        assert producer.flush(20) == 0

    def run(self) -> None:
        """Take up all that is there. Raises what the query raised."""
        stream = running.Stream(self.spark, once=True)
        try:
            stream.query.awaitTermination()
        finally:
            failure = stream.close()
            vars(
                stream
            ).clear()  # Spark holds its callback and the callback the query: a circle through both languages, never freed
        assert failure is None

    def crash(self, point: str) -> None:
        """Run until the fail point, and break off there."""

        def failpoint(name: str) -> None:
            if name == point:
                raise Crash(name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch, "failpoint", failpoint)
            with pytest.raises(Exception, match="Crash"):
                self.run()

    def rows(self, table: str) -> list[dict[str, Any]]:
        return open_table(table).to_pyarrow_table().to_pylist()

    def silver(self) -> Counter[str]:
        return Counter(row["event_id"] for row in self.rows("silver.prices"))

    def quarantine(self) -> Counter[tuple[str, str]]:
        """(event id, first rule)."""
        return Counter((row["event_id"], row["reasons"][0]["rule"]) for row in self.rows("silver.quarantine"))

    def balance(self) -> dict[str, int]:
        names = ("rows_in", "silver", "quarantine", "duplicates")
        return {name: sum(row[name] for row in self.rows("gold.balance")) for name in names}

    def refusal(self) -> str:
        """What the stream would say instead of starting; empty when it would start."""
        try:
            guard.refuse_on_disagreement()
        except guard.Refused as refusal:
            return str(refusal)
        return ""


@pytest.fixture
def stream(spark: SparkSession, broker: Broker, home: Path) -> Stream:
    return Stream(spark, broker)
