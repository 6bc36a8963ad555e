"""Kafka was wiped and filled again: the stream refuses, where it skipped records; the repair reads all."""

import json

import pytest
from confluent_kafka.admin import AdminClient

from conf.runtime.process import Refused
from lakehouse.io.kafka import broker_ids, client_config, create_topics, partition_bounds, subscribed
from streaming_jobs.batch import kafka_source
from streaming_jobs.repair.rebuild import rebuild_checkpoint
from tests.streaming_jobs.conftest import Stream, price, rebuild_everything
from tests.support.waiting import eventually


@pytest.fixture
def stream(either: Stream) -> Stream:
    return either


TOPIC = "lumbung.bar"


def replace_topic() -> None:
    """Delete the topic with its records, and create it again."""
    admin = AdminClient(client_config())  # referenced until its futures are done
    for deleted in admin.delete_topics([TOPIC]).values():
        deleted.result(60)
    eventually(lambda: create_topics([TOPIC]))  # when the broker has forgotten the deleted one
    bounds = lambda: partition_bounds([TOPIC]).get(TOPIC, {})  # noqa: E731
    eventually(lambda: bounds() and not any(high for _, high in bounds().values()))


def test_wiped_kafka_is_refused_and_the_repair_reads_every_new_record(stream: Stream):
    others = stream.fill()
    stream.send(price("a"))
    stream.send(b"{old 1", b"{old 2", kind="bar")
    stream.run()
    replace_topic()
    stream.send(*(b"{new %d" % number for number in range(9)), kind="bar")  # beyond the old position
    refusal = stream.refusal()
    assert "wiped or replaced" in refusal and TOPIC in refusal and "rebuild checkpoint" in refusal
    with pytest.raises(Refused, match="wiped or replaced"):
        kafka_source.note_ids(stream.finished().stream_id)
    assert set(rebuild_checkpoint()[TOPIC].values()) == {0}
    assert stream.refusal() == ""
    replace_topic()  # with fewer records now: positions of old records lie beyond the new ones
    stream.send(b"{newest", kind="bar")
    rebuild_checkpoint()
    stream.run()
    assert stream.refusal() == ""
    filled = 4  # accepted events of `fill`
    assert rebuild_everything() == 4 + filled + others
    assert stream.balance() == {
        "rows_in": 4 + filled + others,
        "silver": 1 + filled,
        "quarantine": 3 + others,
        "duplicates": 0,
    }


def test_ids_of_kafka_are_adopted_when_none_are_noted(stream: Stream):
    stream.send(price("a"))
    stream.run()
    noted = kafka_source.noted_ids_file()
    assert json.loads(noted.read_text())["ids"] == broker_ids(subscribed())
    noted.unlink()
    assert stream.refusal() == ""
    kafka_source.note_ids(stream.finished().stream_id)
    ids = json.loads(noted.read_text())["ids"]
    noted.write_text(
        json.dumps({"stream": stream.finished().stream_id, "ids": {**ids, "cluster": "another"}})
    )
    assert "cluster another" in stream.refusal()
