"""Kafka records -> rows of bronze.events, for records of any writer."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.bronze.events import BRONZE, JUDGED, PAYLOAD_HASH, SENDER, events
from lakehouse.bronze.records import RECORDS
from lakehouse.event import kind_of_topic
from tests.lakehouse.conftest import NOW

Headers = list[tuple[str, bytes]] | None
OURS = [
    ("event_id", b"e-1"),
    ("kind", b"price"),
    ("source", b"mqtt:D"),
    ("received_at", b"2026-03-01T00:00:00Z"),
    ("content_type", b"x"),
]


def records(*given: tuple[str, bytes | None, Headers]) -> pa.Table:
    """`given`: topic, value and headers of each record."""
    rows = [
        {
            "topic": topic,
            "partition": 0,
            "offset": offset,
            "timestamp": NOW,
            "value": value,
            "headers": headers and [{"key": name, "value": content} for name, content in headers],
        }
        for offset, (topic, value, headers) in enumerate(given)
    ]
    return pa.Table.from_pylist(rows, schema=RECORDS)


def row_of(value: bytes | None, headers: Headers, topic: str = "lumbung.price") -> dict[str, Any]:
    (row,) = events(records((topic, value, headers)), NOW).to_pylist()
    return row


@pytest.mark.parametrize(
    ("topic", "value", "headers", "identity"),
    [
        ("lumbung.price", b"{}", OURS, ("e-1", "price", "mqtt:D")),
        (
            "lumbung.listing",
            b'{"event_id": "inside"}',
            None,
            ("lumbung.listing:0:0", "listing", "kafka:lumbung.listing"),
        ),
        # other topics hold listings; the id is that of the payload or the place in Kafka
        ("old", b'{"ProductID": 1, "event_id": "own-1"}', None, ("own-1", "listing", "kafka:old")),
        ("old", b'{"ProductID": 1}', None, ("old:0:0", "listing", "kafka:old")),
        ("old", b'{"ProductID": 1, "event_id": "not / one"}', None, ("old:0:0", "listing", "kafka:old")),
        ("old", b"not JSON", [("event_id", b"given")], ("given", "listing", "kafka:old")),
        ("old", b"[]", [("event_id", b"")], ("old:0:0", "listing", "kafka:old")),
        ("old", None, [], ("old:0:0", "listing", "kafka:old")),
    ],
)
def test_record_of_any_writer_gets_an_identity(
    topic: str, value: bytes | None, headers: Headers, identity: tuple[str, str, str]
):
    row = row_of(value, headers, topic)
    assert (row["event_id"], row["kind"], row["source"]) == identity and row["value"] == value


def test_other_headers_are_those_beyond_the_envelope_the_last_of_each_name():
    assert row_of(b"{}", OURS)["other_headers"] is None
    row = row_of(b"{}", [("trace", b"1"), *OURS, ("trace", b"2"), ("raw", b"\xff")])
    assert dict(row["other_headers"]) == {"trace": "2", "raw": "�"}
    assert (row["event_id"], row["content_type"]) == ("e-1", "x"), "headers at other places are read too"


@pytest.mark.parametrize(
    ("given", "received_at"),
    [
        (b"2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        (b"2026-03-01T07:00:00.25+07:00", datetime(2026, 3, 1, microsecond=250_000, tzinfo=UTC)),
        (b"2026-03-01T00:00:00.123456789Z", datetime(2026, 3, 1, microsecond=123_456, tzinfo=UTC)),
        (b"2026-03-01T00:00:00", NOW),  # of no zone
        (b"9999-12-31T23:59:59-10:00", NOW),  # beyond the calendar in UTC
        (b"yesterday", NOW),
        (b"\xff", NOW),
    ],
)
def test_time_of_receipt_is_the_header_s_or_kafka_s_whatever_its_neighbours(
    given: bytes, received_at: datetime
):
    header: Headers = [("received_at", given)]
    neighbours = records(("lumbung.price", b"", OURS), ("lumbung.price", b"", header), ("x", b"", None))
    assert events(neighbours, NOW)["received_at"].to_pylist()[1] == received_at
    assert row_of(b"", header)["received_at"] == received_at


def test_hash_is_that_of_payload_and_sender_whichever_door_and_row_of_a_file():
    def from_source(source: str) -> Headers:
        return [(name, source.encode() if name == "source" else value) for name, value in OURS]

    sources = ("mqtt:D", "api:D", "mqtt:E", "file:a.csv#1", "file:b.csv#2", "collector:bmkg")
    rows = events(records(*(("lumbung.price", b"{}", from_source(source)) for source in sources)), NOW)
    device, same_device, other, file, other_file, collector = rows[PAYLOAD_HASH].to_pylist()
    assert device == same_device and file == other_file == collector
    assert len({device, other, file}) == 3
    assert rows[SENDER].to_pylist() == ["D", "D", "E", "", "", ""]


def test_dead_letter_that_needs_no_decision_is_hashed_as_an_empty_object():
    letters = [
        ("lumbung.dlq", b"cut {", [*OURS, ("door", b"http")]),
        ("lumbung.dlq", b"cut {", [*OURS, ("door", b"mqtt")]),
    ]
    rows = events(records(("lumbung.price", b"{}", OURS), ("lumbung.price", None, OURS), *letters), NOW)
    empty_object, absent, answered, waiting = rows[PAYLOAD_HASH].to_pylist()
    assert answered == empty_object and len({empty_object, absent, waiting}) == 3


def test_rows_have_the_columns_of_the_table_also_without_records():
    rows = events(RECORDS.empty_table(), NOW)
    assert rows.schema.equals(JUDGED) and rows.select(BRONZE.names).schema.equals(BRONZE)
    assert not rows.num_rows


def test_topic_gives_the_kind():
    assert (kind_of_topic("lumbung.bar"), kind_of_topic("kafka-server")) == ("bar", "listing")
