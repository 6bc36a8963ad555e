"""Where the stream begins in Kafka, and whether Kafka is still the one that its positions belong to."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc

from conf.runtime.process import Refused
from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.event import topics
from lakehouse.io.checkpoint import finished_batch, note_position
from lakehouse.io.delta import BatchTag, Positions, read_columns
from lakehouse.io.kafka import broker_ids, partition_bounds, subscribed

BEFORE_THE_FIRST = -1  # number of the batch that notes where a stream begins


def begin() -> BatchTag:
    """The newest finished batch, with an offset for every partition; a new lake's notes where it begins.

    Raises Refused when Kafka is another one or has other partitions, KafkaException when it does not answer.
    """
    bounds = partition_bounds(subscribed())
    finished = finished_batch()
    if finished is None:
        finished = BatchTag(uuid.uuid4().hex, BEFORE_THE_FIRST, first_offsets(bounds))
        note_position(finished, {})
    if finished.time is None:  # earlier versions noted none; without it nothing would be known to have landed
        finished = replace(finished, time=newest_batch_time())
    note_ids(finished.stream_id)
    if message := other_partitions(finished.offsets, bounds):
        raise Refused(message)
    return replace(finished, offsets=with_new_partitions(finished.offsets, bounds))


def newest_batch_time() -> datetime | None:
    """Time of the newest batch that the balance counts; None before the first."""
    times = read_columns("gold.balance", ["ingested_at"])
    newest: datetime | None = pc.max(times["ingested_at"]).as_py() if times else None
    return newest


def first_offsets(bounds: Mapping[str, Mapping[str, tuple[int, int]]]) -> Positions:
    """The first offset that Kafka holds, of every partition."""
    return {topic: {number: low for number, (low, _) in parts.items()} for topic, parts in bounds.items()}


def with_new_partitions(
    positions: Positions, bounds: Mapping[str, Mapping[str, tuple[int, int]]]
) -> Positions:
    """The positions, and the first offset of partitions that are not among them."""
    first = first_offsets(bounds)
    return positions | {topic: parts | positions.get(topic, {}) for topic, parts in first.items()}


def noted_ids_file() -> Path:
    """Ids of cluster and topics that the positions belong to, with the id of the stream."""
    return settings().state_dir / "kafka_ids.json"


def changed_ids(ids: dict[str, str]) -> dict[str, str]:
    """Of `ids` (see `broker_ids`), those that differ from the noted ones; one not noted does not differ."""
    noted = (read_json(noted_ids_file()) or {}).get("ids", {})
    return {name: known for name, known in ids.items() if noted.get(name, known) != known}


def other_partitions(began: Positions, now: Mapping[str, Mapping[str, object]]) -> str:
    """How topics have another number of partitions than the stream began with; empty when they have not.

    Only of our topics: those of older systems are one place, whatever their number.
    """
    changed = [
        f"{topic} has {len(now[topic])} partitions, {len(began[topic])} when the stream began"
        for topic in topics()
        if began.get(topic) and topic in now and len(now[topic]) != len(began[topic])
    ]
    return f"{', '.join(changed)}: events that are compared would be in two of them" if changed else ""


def replaced(stream_id: str, ids: dict[str, str]) -> str:
    """How Kafka is another one than the stream has read; empty when it is the same."""
    noted = read_json(noted_ids_file())
    changed = changed_ids(ids)
    if not changed or noted["stream"] != stream_id:
        return ""
    listed = ", ".join(f"{name} {noted['ids'][name]} -> {known}" for name, known in changed.items())
    return f"Kafka was wiped or replaced, positions of the checkpoint mean other records (ids: {listed})"


def note_ids(stream_id: str) -> None:
    """Note which Kafka the stream reads. Raises Refused when another one was noted for it."""
    ids = broker_ids(subscribed())
    if message := replaced(stream_id, ids):
        raise Refused(message)
    write_json(noted_ids_file(), {"stream": stream_id, "ids": ids})
