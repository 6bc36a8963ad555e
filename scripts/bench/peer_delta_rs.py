"""A peer: librdkafka and delta-rs in one loop. Parses and appends, exactly once; no validation."""

import sys
from collections.abc import Sequence

import orjson
import pyarrow as pa
from confluent_kafka import Consumer, Message, TopicPartition
from deltalake import CommitProperties, Transaction, write_deltalake

from conf.settings import settings
from lakehouse.event import topics
from lakehouse.io.kafka import client_config, partition_bounds

FIELDS = {
    "event_id": pa.string(),
    "event_time": pa.string(),
    "market_id": pa.string(),
    "commodity": pa.string(),
    "price": pa.float64(),
    "unit": pa.string(),
    "device_id": pa.string(),
    "channel": pa.string(),
}


def fields_of(value: bytes) -> dict[str, object]:
    """The fields of FIELDS of a payload; all null when it is no JSON object or a field has another type."""
    try:
        payload = orjson.loads(value)
        given = {name: payload.get(name) for name in FIELDS}
    except (orjson.JSONDecodeError, AttributeError):
        return dict.fromkeys(FIELDS)
    price = given.pop("price")
    texts = {name: text if isinstance(text, str) else None for name, text in given.items()}
    return texts | {"price": float(price) if isinstance(price, int | float) else None}


def rows(records: Sequence[tuple[str, int, int, bytes]]) -> pa.Table:
    """Topic, partition, offset and bytes of records -> rows with the text and the fields of FIELDS."""
    parsed = [fields_of(value) for *_, value in records]
    place = {
        "topic": pa.array([topic for topic, *_ in records]),
        "partition": pa.array([partition for _, partition, *_ in records], pa.int32()),
        "offset": pa.array([offset for *_, offset, _ in records], pa.int64()),
        "text": pa.array([value.decode("utf-8", "replace") for *_, value in records]),
    }
    columns = {name: pa.array([row[name] for row in parsed], kind) for name, kind in FIELDS.items()}
    return pa.table(place | columns)


def filled_partitions() -> dict[tuple[str, int], tuple[int, int]]:
    """(topic, partition) -> first and next offset, of those that hold a record."""
    return {
        (topic, int(number)): bound
        for topic, partitions in partition_bounds(topics()).items()
        for number, bound in partitions.items()
        if bound[0] < bound[1]
    }


def main(target: str) -> None:
    """Append every record in Kafka to the Delta table at `target`, then stop."""
    places = filled_partitions()
    consumer = Consumer(
        {
            **client_config(),
            "group.id": "bench-delta-rs",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    consumer.assign([TopicPartition(topic, number, first) for (topic, number), (first, _) in places.items()])
    missing = sum(last - first for first, last in places.values())
    waiting: list[Message] = []
    while missing:
        messages = consumer.consume(10_000, 0.5)
        waiting += messages
        missing -= len(messages)
        if len(waiting) >= settings().stream.max_events_per_batch or not missing:
            append(target, waiting)
            waiting = []
    consumer.close()


def append(target: str, messages: Sequence[Message]) -> None:
    """One commit. Raises RuntimeError for a message that reports an error."""
    records = []
    newest: dict[tuple[str, int], int] = {}
    for message in messages:
        if message.error():
            raise RuntimeError(str(message.error()))
        place = (message.topic(), message.partition())
        newest[place] = message.offset()
        records.append((*place, message.offset(), message.value()))
    done = [Transaction(f"{topic}-{partition}", offset) for (topic, partition), offset in newest.items()]
    write_deltalake(
        target, rows(records), mode="append", commit_properties=CommitProperties(app_transactions=done)
    )


if __name__ == "__main__":
    main(sys.argv[1])
