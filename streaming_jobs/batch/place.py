"""Where an event comes from in Kafka: the unit whose events are judged together, in order, by one task."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.event import LEGACY_KIND, kind_of_topic

Place = tuple[str, int]  # topic, partition
# Topics of older systems have no keys that keep a product in one partition: all of them are one place.
OLDER_TOPICS: Place = ("", -1)


def place_of(topic: str, partition: int) -> Place:
    """The place of a record."""
    return OLDER_TOPICS if topic in settings().kafka.legacy_topics else (topic, partition)


def kind_of_place(place: Place) -> str:
    """The one kind of its events."""
    return LEGACY_KIND if place == OLDER_TOPICS else kind_of_topic(place[0])


def rows_at(place: Place) -> pc.Expression:
    """Which rows of bronze or silver came from there."""
    topic, partition = place
    if place == OLDER_TOPICS:
        return pc.field("topic").isin(settings().kafka.legacy_topics)
    return (pc.field("topic") == topic) & (pc.field("partition") == partition)


def by_place(records: pa.Table) -> Iterator[tuple[Place, pa.Table]]:
    """The records of each place, in the order in which they are given."""
    pairs = records.select(["topic", "partition"]).group_by(["topic", "partition"]).aggregate([]).to_pylist()
    places = {place_of(pair["topic"], pair["partition"]) for pair in pairs}
    for place in sorted(places):
        yield place, records if len(places) == 1 else records.filter(rows_at(place))
