"""The stream in this process: a real Spark, a real broker, a fresh lake per test."""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from pyspark.sql import SparkSession

from lakehouse.contracts.history_rules import signed_kinds
from lakehouse.event import Event, event_id_of, kind_of_topic, lenient_payload
from lakehouse.io.checkpoint import Batch, finished_batch, note_position
from lakehouse.io.delta import BatchTag, open_table
from lakehouse.io.kafka import partition_of, producer_config, subscribed
from lakehouse.io.signing_keys import signing_keys
from lakehouse.times import rfc3339
from streaming_jobs import run as running
from streaming_jobs.batch import driver, kafka_source
from streaming_jobs.embedded import feed
from streaming_jobs.embedded.engine import EmbeddedEngine
from streaming_jobs.engine import Engine
from streaming_jobs.repair.exchange import Scope
from streaming_jobs.repair.rebuild_silver import rebuild_silver_now
from streaming_jobs.spark.stream import SparkEngine
from streaming_jobs.startup import checks
from tests.conftest import Broker
from tests.support import forked_readers
from tests.support.empty_lake import copy_empty_tables
from tests.support.waiting import eventually

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
EARLIER = (NOW - timedelta(days=60)).replace(hour=3, minute=0, second=0)  # 10.00 in Jakarta, of the same day


def price(event_id: str | None, value: object = 11500, **more: object) -> bytes:
    fields: dict[str, object] = {
        "market_id": "PASAR-001",
        "commodity": "garam",
        "price": value,
        "event_time": rfc3339(NOW),
    }
    return orjson.dumps(({"event_id": event_id} if event_id else {}) | fields | more)


def reading(event_id: str, **metrics: object) -> bytes:
    return orjson.dumps(
        {"event_id": event_id, "market_id": "PASAR-001", "event_time": rfc3339(NOW), **metrics}
    )


class Crash(Exception):
    """Thrown at a fail point instead of SIGKILL."""


class Stream:
    """What Kafka holds from now on, and the stream that reads it."""

    def __init__(self, spark: SparkSession | None, broker: Broker) -> None:
        """`spark` None: the embedded engine."""
        self.spark, self.broker = spark, broker
        self.sent = 0
        copy_empty_tables()
        start_at: dict[str, dict[str, int]] = {topic: {} for topic in subscribed()}
        for (topic, partition), offset in broker.ends().items():
            if topic in start_at:
                start_at[topic][str(partition)] = offset
        note_position(BatchTag(uuid.uuid4().hex, kafka_source.BEFORE_THE_FIRST, start_at), {})

    def send(
        self,
        *payloads: bytes,
        kind: str = "price",
        source: str = "test:1",
        key: str = "one-series",
        sign: Callable[[Event], Event] | None = None,
    ) -> None:
        """Events of signed kinds are signed by `sign`, or with the key of the home."""
        producer = Producer(producer_config())
        for payload in payloads:
            event_id = event_id_of(lenient_payload(payload), payload, source)
            event = Event(kind, key, payload, event_id, source, datetime.now(UTC))
            if kind in signed_kinds():
                event = (sign or signing_keys().sign)(event)
            partition = partition_of(event.topic, event.together)
            producer.produce(event.topic, event.value, event.key, partition, headers=event.headers)
        assert producer.flush(60) == 0
        self.sent += len(payloads)

    def fill(self) -> int:
        """Send an event to each partition with records of other tests, so that a lost checkpoint skips those.

        Prices and sensors get an accepted event in both partitions, other kinds a refused one. Returns the
        number of refused events.
        """
        producer, refused = Producer(producer_config()), 0
        for (topic, partition), end in self.broker.ends().items():
            kind = kind_of_topic(topic)
            if topic not in subscribed() or not (end or kind in ("price", "sensor")):
                continue
            name = f"fill-{partition}"
            accepted = {"price": price(name), "sensor": reading(name, crowd_count=1)}
            named = name if kind in accepted else f"{topic}-{name}"
            event = Event(kind, "", accepted.get(kind, b"{}"), named, "test:1", datetime.now(UTC))
            producer.produce(topic, event.value, partition=partition, headers=event.headers)
            refused += kind not in accepted
        assert producer.flush(60) == 0
        return refused

    def run(self) -> None:
        """Process all that Kafka holds. Raises what the engine raised."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feed, "start_reader", forked_readers.start_reader)
            self._run()

    def _run(self) -> None:
        engine: Engine = SparkEngine(self.spark) if self.spark else EmbeddedEngine()
        stream = running.Stream(engine, once=True)
        try:
            eventually(lambda: not engine.is_active, seconds=600)
        finally:
            failure = stream.close()
            # Spark references its callback and the callback the query: a cycle through both languages that
            # no garbage collector frees.
            vars(stream).clear()
            vars(engine).clear()
        if failure:
            raise failure

    def run_and_list(self) -> list[dict[str, int]]:
        """`run`; returns the number of records of each topic in each batch."""
        rows: list[dict[str, int]] = []
        process = running.Batches.__call__

        def listed(batches: running.Batches, records: driver.BatchRecords, batch: Batch) -> None:
            rows.append(batch.rows)
            process(batches, records, batch)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running.Batches, "__call__", listed)
            self.run()
        return rows

    def crash(self, point: str) -> None:
        """Run until the fail point and crash there."""

        def failpoint(name: str) -> None:
            if name == point:
                raise Crash(name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver, "failpoint", failpoint)
            with pytest.raises(Exception, match=point):
                self.run()

    def finished(self) -> BatchTag:
        """The newest finished batch."""
        batch = finished_batch()
        assert batch
        return batch

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
        """The message with which the stream refuses to start; empty when it would start."""
        try:
            checks.refuse_on_disagreement()
        except checks.Refused as refusal:
            return str(refusal)
        return ""


@pytest.fixture
def stream(request: pytest.FixtureRequest, real_broker: Broker, home: Path) -> Stream:
    """With Spark in a run with `--slow`; else with the embedded engine, which needs no JVM.

    What the engines hand over to is the same code.
    """
    return Stream(request.getfixturevalue("spark") if request.config.option.slow else None, real_broker)


@pytest.fixture
def on_spark(spark: SparkSession, real_broker: Broker, home: Path) -> Stream:
    return Stream(spark, real_broker)


@pytest.fixture
def embedded(real_broker: Broker, home: Path) -> Stream:
    return Stream(None, real_broker)


@pytest.fixture(params=[pytest.param("spark", marks=pytest.mark.slow), "embedded"])
def either(request: pytest.FixtureRequest, real_broker: Broker, home: Path) -> Stream:
    """The stream of each engine in turn; of Spark in a run with `--slow`."""
    return Stream(request.getfixturevalue("spark") if request.param == "spark" else None, real_broker)


def rebuild_everything() -> int:
    """`./run.sh rebuild silver` while nothing else runs; returns the number of events."""
    return rebuild_silver_now(Scope.of(), dry_run=False).events
