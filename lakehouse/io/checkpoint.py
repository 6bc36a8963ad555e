"""The stream's checkpoint: which offsets each batch covers, as the commits of its tables note them.

Every commit of a batch carries its tag: stream, number, time, and the next offset of each partition after it.
Bronze is committed first and the balance last. So a batch is finished when the balance has its tag; one whose
tag only other tables have is under way, and runs again with the same records and the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import BatchTag, Positions, append_rows, tags_of
from lakehouse.io.kafka import any_is_open, partition_bounds, subscribed
from lakehouse.io.log_stamps import log_stamp

BALANCE = "gold.balance"
BRONZE = "bronze.events"


@dataclass(frozen=True)
class Batch:
    """The records of one micro-batch: those from the end of the batch before it to the offsets of its tag."""

    before: BatchTag
    tag: BatchTag

    @property
    def rows(self) -> dict[str, int]:
        """Records per topic; topics without any are left out."""
        counts = {
            topic: sum(
                end - self.before.offsets.get(topic, {}).get(partition, 0)
                for partition, end in partitions.items()
            )
            for topic, partitions in self.tag.offsets.items()
        }
        return {topic: count for topic, count in counts.items() if count}


def finished_batch(root: str | None = None) -> BatchTag | None:
    """The newest batch that every table holds; None before the stream has begun. `root`: of another lake."""
    return _newest_tag(BALANCE, root)


def partition_counts() -> dict[str, int]:
    """How many partitions each topic has, as the newest batch of bronze notes it; empty before the first."""
    tag = _newest_tag(BRONZE)
    return {topic: len(partitions) for topic, partitions in tag.offsets.items()} if tag else {}


def _newest_tag(table: str, root: str | None = None) -> BatchTag | None:
    """`newest_tag`, which is read again after a commit only."""
    stamp = log_stamp(table, root)
    lake = root or settings().lake_root
    if stamp is not None and _cached.get((lake, table), (None, None))[0] == stamp:
        return _cached[lake, table][1]
    tag = newest_tag(table, root)
    _cached[lake, table] = (stamp, tag)
    return tag


# By lake and table: its stamp, its newest tag.
_cached: dict[tuple[str, str], tuple[int | None, BatchTag | None]] = {}


def batch_under_way() -> BatchTag | None:
    """The batch that some tables hold and others may lack: between its commits the tables cannot agree."""
    finished = finished_batch()
    if finished is None:
        return None
    # Bronze alone would not do: after a power cut its commit may be incomplete where later ones are not.
    for table, contract in contracts().items():
        if table.startswith("gold.") and contract.refreshed != "batch":
            continue
        tag = newest_tag(table)
        if tag and tag.stream_id == finished.stream_id and tag.batch_id > finished.batch_id:
            return tag
    return None


def newest_batch() -> BatchTag | None:
    """The newest batch of bronze, finished or not; that of the balance where bronze notes no newer one."""
    finished = finished_batch()
    bronze = newest_tag(BRONZE)
    if bronze and finished and bronze.stream_id == finished.stream_id:
        return max(bronze, finished, key=lambda tag: tag.batch_id)
    return bronze or finished


def newest_tag(table: str, root: str | None = None) -> BatchTag | None:
    """The newest tag with offsets; those of a rebuild have none."""
    return next((BatchTag.of(tag) for tag in tags_of(table, root=root) if tag.get("offsets")), None)


def note_position(tag: BatchTag, versions: Mapping[str, int]) -> None:
    """Commit the tag without rows: the stream goes on at its offsets. `versions`: see `append_counts`."""
    append_rows(BALANCE, [], tag.text(versions=versions))
    append_rows(BRONZE, [], tag.text())  # a copy, for a rebuild of the balance


def count_waiting(
    bootstrap: str | None = None,
    root: str | None = None,
    positions: Positions | None = None,
    ends: Positions | None = None,
    of_topics: Sequence[str] | None = None,
) -> int | None:
    """Records in Kafka that no finished batch has covered; None when Kafka does not answer.

    Unlike the stream's own status it is right after the stream was killed. `root`: of another lake;
    `positions`: count from there; `ends`: up to there instead of what Kafka holds now. `of_topics`: see
    `kafka_ends`.
    """
    if positions is None:  # read first: records that arrive meanwhile then count as waiting
        finished = finished_batch(root)
        positions = finished.offsets if finished else {}
    if ends is None:
        ends = kafka_ends(bootstrap, of_topics)
    if ends is None:
        return None
    return sum(
        max(end - positions.get(topic, {}).get(partition, 0), 0)
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )


def kafka_ends(bootstrap: str | None = None, of_topics: Sequence[str] | None = None) -> Positions | None:
    """The next offset of every partition that the stream reads; None when Kafka does not answer.

    `of_topics`: those of `subscribed`, of a caller that must not read the settings any more.
    """
    if not any_is_open(bootstrap):
        return None  # librdkafka would wait for its time limit
    try:
        bounds = partition_bounds(subscribed() if of_topics is None else of_topics, bootstrap)
    except KafkaException:
        return None
    return {
        topic: {partition: end for partition, (_, end) in partitions.items()}
        for topic, partitions in bounds.items()
    }
