"""The topics that the stream reads, and whether Kafka is still the one that its positions belong to."""

from collections.abc import Mapping
from pathlib import Path

from conf.runtime.process import Refused
from conf.runtime.status_files import read_json, write_json
from conf.settings import settings
from lakehouse.event import topics
from lakehouse.io.checkpoint import subscribed
from lakehouse.io.kafka import broker_ids


def starting_offsets_file() -> Path:
    """Offsets at which a repaired stream begins; written by `rebuild checkpoint`."""
    return settings().state_dir / "starting_offsets.json"


def starting_after_file() -> Path:
    """The version of bronze.events after which those offsets follow."""
    return settings().state_dir / "starting_after.txt"


def noted_ids_file() -> Path:
    """Ids of cluster and topics that the checkpoint's positions belong to, with the id of the checkpoint."""
    return settings().state_dir / "kafka_ids.json"


def changed_ids(ids: dict[str, str]) -> dict[str, str]:
    """Of `ids` (see `broker_ids`), those that differ from the noted ones; one not noted does not differ."""
    noted = (read_json(noted_ids_file()) or {}).get("ids", {})
    return {name: known for name, known in ids.items() if noted.get(name, known) != known}


def other_partitions(stream_id: str, counts: Mapping[str, int]) -> str:
    """How topics have another number of partitions than the stream began with; empty when they have not.

    `counts`: of our topics; those of older systems are one place, whatever their number.
    """
    noted = read_json(noted_ids_file()) or {}
    began = noted.get("partitions", {}) if noted.get("stream") == stream_id else {}
    changed = [
        f"{topic} has {count} partitions, {began[topic]} when the stream began"
        for topic, count in counts.items()
        if topic in topics() and began.get(topic, count) != count
    ]
    return f"{', '.join(changed)}: events that are compared would be in two of them" if changed else ""


def replaced(stream_id: str, ids: dict[str, str]) -> str:
    """How Kafka is another one than the checkpoint was read from; empty when it is the same."""
    noted = read_json(noted_ids_file())
    changed = changed_ids(ids)
    if not changed or noted["stream"] != stream_id:
        return ""
    listed = ", ".join(f"{name} {noted['ids'][name]} -> {known}" for name, known in changed.items())
    return f"Kafka was wiped or replaced, positions of the checkpoint mean other records (ids: {listed})"


def note_ids(stream_id: str, partitions: Mapping[str, int]) -> None:
    """Note which Kafka the checkpoint reads. Raises Refused when another one was noted for it.

    `partitions`: how many each topic has.
    """
    ids = broker_ids(subscribed())
    if message := replaced(stream_id, ids) or other_partitions(stream_id, partitions):
        raise Refused(message)
    write_json(noted_ids_file(), {"stream": stream_id, "ids": ids, "partitions": dict(partitions)})
