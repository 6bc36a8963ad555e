"""How far the stream is: Kafka's ends against the last batch that its checkpoint calls finished."""

import json
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from conf.broker import QUIET
from conf.settings import settings
from lakehouse.contract import kinds
from lakehouse.event import TOPIC_PREFIX
from scripts.ports import is_open

Ends = dict[tuple[str, int], int]  # (topic, partition) -> next offset


def kafka_ends(bootstrap: str | None = None) -> Ends | None:
    """The offset that the next record of each partition will get; None when Kafka does not answer."""
    servers = bootstrap or settings().kafka.bootstrap
    if not any(is_open(host, int(port)) for host, _, port in (server.partition(":") for server in servers.split(","))):
        return None  # librdkafka would wait for its time limit
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "lumbung-positions", **QUIET})
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


def finished(state_dir: Path | None = None) -> Ends:
    """Where the last finished batch ended. It outlives a kill of the stream, unlike what the process tells about itself."""
    checkpoint = (state_dir or settings().state_dir) / "checkpoint"
    batch = _newest(checkpoint / "commits")
    if batch is None:
        return {}
    # version, metadata, then one line per source
    offsets = json.loads((checkpoint / "offsets" / str(batch)).read_text(encoding="utf-8").splitlines()[2])
    return {(topic, int(number)): end for topic, places in offsets.items() for number, end in places.items()}


def _newest(log: Path) -> int | None:
    """Newest batch of one of the checkpoint's two logs: planned (offsets) or finished (commits)."""
    return max((int(file.name) for file in log.glob("[0-9]*")), default=None)


def under_way(state_dir: Path | None = None) -> bool:
    """A batch is planned and not finished: between its commits the tables cannot agree."""
    checkpoint = (state_dir or settings().state_dir) / "checkpoint"
    return _newest(checkpoint / "offsets") != _newest(checkpoint / "commits")


def waiting(bootstrap: str | None = None, state_dir: Path | None = None) -> int | None:
    """Records in Kafka that no finished batch has covered; None when Kafka does not answer."""
    done = finished(state_dir)  # first: records that come meanwhile then count as waiting
    ends = kafka_ends(bootstrap)
    return None if ends is None else sum(max(end - done.get(place, 0), 0) for place, end in ends.items())
