"""`reconcile`: rows in = silver + quarantine + duplicates, counted in the tables themselves, and what Kafka still holds."""

from dataclasses import asdict, dataclass
from typing import Any

import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition

from conf.broker import QUIET
from conf.settings import settings
from lakehouse.contract import kinds
from lakehouse.event import TOPIC_PREFIX
from scripts import readiness
from scripts.tables import database


@dataclass(frozen=True)
class Balance:
    """Counts in events. `rows_in` = records in bronze; `lost` is what no other column accounts for."""

    kind: str
    rows_in: int
    silver: int
    quarantine: int
    duplicates: int
    lost: int


def balances() -> list[Balance]:
    """One balance per kind. While the stream runs, all tables are read as of its last finished batch."""
    silver = {kind: contract.table for kind, contract in kinds().items()}
    connection = database(["bronze.events", "silver.quarantine", "gold.balance", *silver.values()], _settled_versions())
    rows_in = _counts(connection, "select kind, count(*) from bronze.events group by kind")
    quarantine = _counts(connection, "select kind, count(*) from silver.quarantine group by kind")
    duplicates = _counts(connection, "select kind, sum(duplicates) from gold.balance group by kind")
    found = []
    for kind in sorted(rows_in.keys() | quarantine.keys() | duplicates.keys() | silver.keys()):
        taken = rows_in.get(kind, 0)
        landed = _counts(connection, f"select 1, count(distinct event_id) from {silver[kind]}")[1] if kind in silver else 0
        parts = (landed, quarantine.get(kind, 0), duplicates.get(kind, 0))
        found.append(Balance(kind, taken, *parts, lost=taken - sum(parts)))
    return found


def _counts(connection: Any, sql: str) -> dict[Any, int]:
    return {key: int(count) for key, count in connection.execute(sql).fetchall()}


def _settled_versions() -> dict[str, int] | None:
    """Table versions after the last finished batch: between its commits the tables cannot agree. None: nobody writes."""
    said = readiness.progress()
    if said is None or said["state"] != "running" or not psutil.pid_exists(said["pid"]):
        return None
    return said["versions"]


def total(parts: list[Balance]) -> Balance:
    """The sum over all kinds."""
    names = ("rows_in", "silver", "quarantine", "duplicates", "lost")
    return Balance("total", **{name: sum(getattr(part, name) for part in parts) for name in names})


def line(all_kinds: Balance) -> str:
    """The one line that the demo ends with."""
    return (
        f"IN={all_kinds.rows_in} SILVER={all_kinds.silver} QUARANTINE={all_kinds.quarantine} "
        f"DUP={all_kinds.duplicates} LOST={all_kinds.lost}"
    )


def kafka_ends(bootstrap: str | None = None) -> dict[tuple[str, int], int] | None:
    """(topic, partition) -> offset that the next record will get; None when Kafka does not answer."""
    consumer = Consumer({"bootstrap.servers": bootstrap or settings().kafka.bootstrap, "group.id": "reconcile", **QUIET})
    try:
        known = consumer.list_topics(timeout=5).topics
        ends = {}
        for topic in [*(TOPIC_PREFIX + kind for kind in kinds()), *settings().kafka.legacy_topics]:
            for partition in known[topic].partitions if topic in known else ():
                ends[topic, partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5)[1]
        return ends
    except KafkaException:
        return None
    finally:
        consumer.close()


def taken_up() -> dict[tuple[str, int], int]:
    """(topic, partition) -> offset after the last record that bronze holds."""
    rows = database(["bronze.events"]).execute('select topic, "partition", max("offset") + 1 from bronze.events group by all')
    return {(topic, partition): end for topic, partition, end in rows.fetchall()}


def not_taken_up() -> int | None:
    """Records in Kafka that bronze does not hold yet; None when Kafka does not answer."""
    ends = kafka_ends()
    if ends is None:
        return None
    taken = taken_up()
    return sum(max(end - taken.get(place, 0), 0) for place, end in ends.items())


def waiting(said: dict[str, Any] | None, ends: dict[tuple[str, int], int] | None) -> int | None:
    """Records that no finished batch of the running stream has covered; None when stream or Kafka does not say."""
    if said is None or ends is None or said["state"] != "running":
        return None
    positions = said["positions"]
    return sum(max(end - positions.get(topic, {}).get(str(partition), 0), 0) for (topic, partition), end in ends.items())


def reconcile() -> dict[str, Any]:
    """The whole verdict as one JSON-able object."""
    parts = balances()
    whole = total(parts)
    return {
        "balanced": all(part.lost == 0 for part in parts),
        "kinds": [asdict(part) for part in parts],
        "total": asdict(whole),
        "line": line(whole),
        "lag_events": not_taken_up(),
    }
