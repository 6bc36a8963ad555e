"""Where an event comes from in Kafka: the unit whose events are judged together, in order, by one task."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.event import LEGACY_KIND, kind_of_topic, series_key
from lakehouse.partitions import partition_for

Place = tuple[str, int]  # topic, partition
Numbers = npt.NDArray[np.int64]  # of rows
RowsByPlace = dict[Place, Numbers]
# Topics of older systems have no keys that keep a product in one partition: all of them are one place.
OLDER_TOPICS: Place = ("", -1)


def place_of(topic: str, partition: int) -> Place:
    """The place of a record."""
    return OLDER_TOPICS if topic in settings().kafka.legacy_topics else (topic, partition)


def kind_of_place(place: Place) -> str:
    """The one kind of its events."""
    return LEGACY_KIND if place == OLDER_TOPICS else kind_of_topic(place[0])


def place_of_series(place: Place, fields: Any, partitions: Mapping[str, int]) -> Place:
    """Where producers put events with these payload fields; `place` where they name no series.

    `partitions`: how many each topic has. Topics of older systems stay one place.
    """
    kind = kind_of_place(place)
    key = series_key(kind, fields, "")
    if place == OLDER_TOPICS or not key:
        return place
    topic = place[0]
    return topic, partition_for(kind, key, partitions.get(topic, settings().kafka.partitions))


def rows_at(place: Place) -> pc.Expression:
    """Which rows of bronze or silver came from there."""
    topic, partition = place
    if place == OLDER_TOPICS:
        return pc.field("topic").isin(settings().kafka.legacy_topics)
    return (pc.field("topic") == topic) & (pc.field("partition") == partition)


def places_of(records: pa.Table) -> list[Place]:
    """The places that have records, in order."""
    grouped = records.select(["topic", "partition"]).group_by(["topic", "partition"], use_threads=False)
    pairs = grouped.aggregate([]).to_pylist()  # threads would cost more than they save
    return sorted({place_of(pair["topic"], pair["partition"]) for pair in pairs})


def by_kind(records: pa.Table) -> dict[str, pa.Table]:
    """The records of each kind, in the order in which they are given."""
    places = places_of(records)
    kinds = sorted({kind_of_place(place) for place in places})
    if len(kinds) == 1:
        return {kinds[0]: records}
    conditions: dict[str, list[pc.Expression]] = {kind: [] for kind in kinds}
    for place in places:
        conditions[kind_of_place(place)].append(rows_at(place))
    return {kind: records.filter(reduce(or_, of_kind)) for kind, of_kind in conditions.items()}


def rows_by_place(table: pa.Table) -> RowsByPlace:
    """Numbers of the rows of each place that has any."""
    present = places_of(table)
    if len(present) == 1:
        return {present[0]: np.arange(table.num_rows)}
    numbered = table.select(["topic", "partition"]).append_column("nth", pa.array(np.arange(table.num_rows)))
    return {place: numbered.filter(rows_at(place))["nth"].to_numpy() for place in present}
