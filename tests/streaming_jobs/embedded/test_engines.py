"""A lake changes its engine between two starts, also within a batch: both go on from the commits."""

import threading
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from pyspark.sql import SparkSession

from conf.runtime.process import Refused
from conf.settings import settings
from lakehouse.io.checkpoint import batch_under_way, count_waiting
from lakehouse.io.kafka import client_config, partition_bounds, producer_config
from lakehouse.times import rfc3339
from scripts.commands.reconcile import balance_report
from streaming_jobs.batch import kafka_source
from streaming_jobs.embedded import engine
from streaming_jobs.embedded.engine import read_range
from streaming_jobs.embedded.feed import ReaderEnded, RecordFeed
from streaming_jobs.embedded.reader import Assignment
from streaming_jobs.repair.rebuild import rebuild_checkpoint
from tests.streaming_jobs.conftest import EARLIER, Stream, price
from tests.streaming_jobs.test_batches import MIXED, assert_as_planned
from tests.support.waiting import eventually


def change_engine(stream: Stream, spark: SparkSession) -> None:
    stream.spark = None if stream.spark else spark


def contents(stream: Stream) -> dict[str, Counter[str]]:
    """Rows of bronze, silver and quarantine without what names the batch."""
    batch = ("ingested_at", "quarantined_at", "ingest_date")
    return {
        table: Counter(
            repr([(name, row[name]) for name in sorted(row) if name not in batch])
            for row in stream.rows(table)
        )
        for table in ("bronze.events", "silver.prices", "silver.quarantine", "silver.price_verdicts")
    }


def test_lake_changes_its_engine_between_starts_both_ways(either: Stream, spark: SparkSession):
    for part in (MIXED[:3], MIXED[3:6], MIXED[6:]):
        either.send(*part)
        either.run()
        change_engine(either, spark)
    assert_as_planned(either)
    assert either.finished().batch_id == 2
    assert len({row["stream_id"] for row in either.rows("gold.balance")}) == 1
    assert either.refusal() == "" and balance_report()["balanced"]


@pytest.mark.parametrize(
    "point", [pytest.param("stream.before_bronze", marks=pytest.mark.slow), "stream.after_silver"]
)
def test_batch_that_one_engine_began_is_finished_by_the_other(
    either: Stream, spark: SparkSession, point: str
):
    either.send(*MIXED)
    either.crash(point)
    begun = batch_under_way()
    assert (begun is None) == (point == "stream.before_bronze")
    before = contents(either)
    of_the_next_batch = price("later", 11900, event_time=rfc3339(EARLIER - timedelta(days=1)))
    either.send(of_the_next_batch)
    change_engine(either, spark)
    either.run()
    assert either.finished().batch_id == (1 if begun else 0)
    times = {row["ingested_at"] for row in either.rows("bronze.events") if row["event_id"] != "later"}
    assert times == {begun.time} if begun else len(times) == 1
    assert all(rows <= contents(either)[table] for table, rows in before.items())
    assert either.balance() == {"rows_in": 10, "silver": 4, "quarantine": 4, "duplicates": 2}
    assert either.refusal() == ""


def add_partition(topic: str) -> int:
    """Returns how many the topic had before."""
    admin = AdminClient(client_config())
    count = len(partition_bounds([topic])[topic])
    for change in admin.create_partitions([NewPartitions(topic, count + 1)]).values():
        change.result(60)
    eventually(lambda: len(partition_bounds([topic])[topic]) == count + 1)
    return count


def test_new_partition_ends_a_stream_that_runs(embedded: Stream, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "PARTITIONS_SECONDS", 0)
    batches = engine._Batches(lambda *ignored: None, threading.Event())
    count = add_partition("lumbung.macro")
    with pytest.raises(Refused, match=f"lumbung.macro has {count + 1} partitions, {count} when"):
        batches.run(once=False)


def test_topic_with_a_new_partition_is_refused_until_the_checkpoint_is_new(either: Stream):
    topic = "lumbung.macro"
    either.send(price("a"))
    either.run()
    count = add_partition(topic)
    producer = Producer(producer_config())
    producer.produce(topic, b"{}", partition=count)
    assert producer.flush(60) == 0
    message = f"{topic} has {count + 1} partitions, {count} when the stream began"
    with pytest.raises(Exception, match=message):
        either.run()
    assert message in either.refusal() and "rebuild checkpoint" in either.refusal()
    rebuild_checkpoint()
    assert either.refusal() == ""
    either.run()
    places = [(row["topic"], row["partition"]) for row in either.rows("bronze.events")]
    assert places.count((topic, count)) == 1 and count_waiting() == 0


@pytest.mark.parametrize("value", [b"", None])
def test_first_record_of_a_batch_is_stored_although_it_is_empty(either: Stream, value: bytes | None):
    producer = Producer(producer_config())
    producer.produce("lumbung.price", value, partition=0, headers={"event_id": b"empty"})
    assert producer.flush(60) == 0
    either.run()
    assert [(row["event_id"], row["value"] or b"") for row in either.rows("bronze.events")] == [
        ("empty", b"")
    ]
    assert either.balance() == {"rows_in": 1, "silver": 0, "quarantine": 1, "duplicates": 0}


def test_positions_pass_the_ends_of_transactions(either: Stream):
    producer = Producer({**client_config(), "transactional.id": "engines"})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce("lumbung.price", price("a"), partition=0, headers={"event_id": b"a"})
    producer.commit_transaction(60)
    either.run()
    assert dict(either.silver()) == {"a": 1} and count_waiting() == 0
    producer.begin_transaction()
    producer.produce("lumbung.price", price("b"), partition=0, headers={"event_id": b"b"})
    producer.commit_transaction(60)
    either.run()
    assert dict(either.silver()) == {"a": 1, "b": 1} and count_waiting() == 0


def test_batch_whose_records_kafka_no_longer_holds_is_not_finished(embedded: Stream):
    embedded.send(*MIXED)
    begin = kafka_source.begin().offsets
    beyond = {
        topic: {number: last + 50 for number, last in numbers.items()} for topic, numbers in begin.items()
    }
    with pytest.raises(RuntimeError, match=r"the batch reached \d+, but \S+/\d+ ends at"):
        read_range(begin, beyond, threading.Event())


def test_stream_fails_when_its_reader_is_killed(embedded: Stream):
    embedded.send(price("a"))
    feed = RecordFeed(Assignment(kafka_source.begin().offsets, settings().kafka.bootstrap))
    records = partial(feed.take, 10, 120)  # or ends of partitions that hold none
    eventually(lambda: (taken := records()) and taken[0].num_rows == 1)
    feed._process.kill()
    with pytest.raises(ReaderEnded, match="code -9"):
        while records():
            pass
    feed.close()


def test_batches_are_cut_at_the_limit_and_hold_what_was_read(
    embedded: Stream, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine, "CHUNK_RECORDS", 5)
    monkeypatch.setenv("LUMBUNG_STREAM__MAX_EVENTS_PER_BATCH", "7")
    settings.cache_clear()
    embedded.send(*(price(f"n{number}", 11000 + number) for number in range(20)))
    rows = [sum(batch.values()) for batch in embedded.run_and_list()]
    assert sum(rows) == 20 and max(rows) <= 7
    assert len(embedded.silver()) == 20
