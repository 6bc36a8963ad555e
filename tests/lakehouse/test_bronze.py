"""Kafka records -> rows of bronze.events, for records of any writer."""

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from lakehouse.bronze.events import events
from lakehouse.event import kind_of_topic
from tests.lakehouse.conftest import NOW

SCHEMA = (
    "topic string, partition int, offset bigint, timestamp timestamp, key binary, value binary, "
    "headers array<struct<key:string,value:binary>>, ingested_at timestamp"
)
OURS = [
    ("event_id", b"e-1"),
    ("kind", b"price"),
    ("source", b"mqtt:D"),
    ("received_at", b"2026-03-01T00:00:00Z"),
    ("content_type", b"x"),
]
RECORDS = [
    ("lumbung.price", b"{}", OURS),
    ("lumbung.listing", b'{"event_id": "inside"}', None),
    ("kafka-server", b'{"ProductID": 1, "event_id": "own-1"}', None),
    ("kafka-server", b'{"ProductID": 1}', None),
    ("kafka-server", b'{"ProductID": 1, "event_id": "not / one"}', None),
    ("kafka-server", b"not JSON", [("event_id", b"given")]),
    ("kafka-server", None, []),
]


IDENTITIES = [  # event_id, kind, source, value of each record
    ("e-1", "price", "mqtt:D", b"{}"),  # a record of ours: the values of its headers
    (
        "lumbung.listing:0:1",
        "listing",
        "kafka:lumbung.listing",
        b'{"event_id": "inside"}',
    ),  # ours, no headers
    # other topics hold listings; the id is that of the payload or the place in Kafka
    ("own-1", "listing", "kafka:kafka-server", b'{"ProductID": 1, "event_id": "own-1"}'),
    ("kafka-server:0:3", "listing", "kafka:kafka-server", b'{"ProductID": 1}'),
    ("kafka-server:0:4", "listing", "kafka:kafka-server", b'{"ProductID": 1, "event_id": "not / one"}'),
    ("given", "listing", "kafka:kafka-server", b"not JSON"),
    ("kafka-server:0:6", "listing", "kafka:kafka-server", None),
]


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    records = [
        (topic, 0, offset, NOW, None, value, headers, NOW)
        for offset, (topic, value, headers) in enumerate(RECORDS)
    ]
    return events(spark.createDataFrame(records, SCHEMA))


def test_record_of_any_writer_gets_an_identity(spark: SparkSession, rows: DataFrame):
    schema = "event_id string, kind string, source string, value binary"
    wanted = spark.createDataFrame(IDENTITIES, schema)
    identities = rows.orderBy("offset").select("event_id", "kind", "source", "value")
    assert_df_equality(identities, wanted, ignore_nullable=True)


def test_own_headers_are_not_kept_as_other_headers(rows: DataFrame):
    (first,) = rows.filter("offset = 0").select("other_headers").toArrow().to_pylist()
    assert first["other_headers"] is None


def test_topic_gives_the_kind():
    assert (kind_of_topic("lumbung.bar"), kind_of_topic("kafka-server")) == ("bar", "listing")
