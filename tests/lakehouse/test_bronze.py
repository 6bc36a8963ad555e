"""Kafka records -> rows of bronze.events, whoever wrote the record."""

from typing import Any

import pytest
from pyspark.sql import SparkSession

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
    ("kafka-server", b"not JSON", [("event_id", b"told")]),
    ("kafka-server", None, []),
]


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> list[dict[str, Any]]:
    made = [(topic, 0, nth, NOW, None, value, said, NOW) for nth, (topic, value, said) in enumerate(RECORDS)]
    return events(spark.createDataFrame(made, SCHEMA)).orderBy("offset").toArrow().to_pylist()


def test_a_record_of_ours_is_what_its_headers_say(rows: list[dict[str, Any]]):
    assert (rows[0]["event_id"], rows[0]["kind"], rows[0]["source"], rows[0]["other_headers"]) == ("e-1", "price", "mqtt:D", None)


def test_a_topic_of_ours_without_headers_is_identified_by_its_place(rows: list[dict[str, Any]]):
    assert (rows[1]["event_id"], rows[1]["kind"]) == ("lumbung.listing:0:1", "listing")


def test_a_topic_of_others_holds_listings_with_an_id_of_their_own_or_their_place(rows: list[dict[str, Any]]):
    assert {row["kind"] for row in rows[2:]} == {"listing"} and rows[2]["source"] == "kafka:kafka-server"
    ids = [row["event_id"] for row in rows[2:]]
    assert ids == ["own-1", "kafka-server:0:3", "kafka-server:0:4", "told", "kafka-server:0:6"]
    assert [row["value"] for row in rows] == [value for _, value, _ in RECORDS]


def test_the_kind_of_a_topic():
    assert (kind_of_topic("lumbung.bar"), kind_of_topic("kafka-server")) == ("bar", "listing")
