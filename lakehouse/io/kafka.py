"""Kafka: client settings, topics, offsets, and producers that report when the broker has acknowledged."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from tenacity import retry, retry_if_exception, retry_if_exception_type, stop_after_delay, wait_fixed

from conf.runtime.endless import PAUSE_SECONDS, survived
from conf.settings import settings
from lakehouse.event import Event, topics
from lakehouse.partitions import partition_together
from lakehouse.times import rfc3339

Header = tuple[str, bytes]
Bounds = dict[str, dict[str, tuple[int, int]]]  # topic -> partition -> first and next offset
WITHOUT_LEADER = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,  # the broker names the leader before it has taken the partition up
}
ANSWER_SECONDS = 5  # a broker that answers later counts as absent
POLL_SECONDS = 0.1  # a process that ends waits so long for the thread that polls
# The doors report an absent broker in their responses; librdkafka would log it ten times a second.
WITHOUT_LOG = {"log_level": 0, "error_cb": lambda error: None}


class NotAcknowledged(RuntimeError):
    """Kafka has not confirmed a record in time: it may be lost."""


class TopicNotListed(RuntimeError):
    """Kafka has created a topic and does not list it yet."""


def is_open(host: str, port: int, timeout_seconds: float = 1.0) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout_seconds).close()
    except OSError:
        return False
    return True


def any_is_open(bootstrap: str | None = None) -> bool:
    """Whether one of the brokers (knob `kafka.bootstrap` unless given) accepts connections."""
    servers = (server.partition(":") for server in (bootstrap or settings().kafka.bootstrap).split(","))
    return any(is_open(host, int(port)) for host, _, port in servers)


def client_config(bootstrap: str | None = None) -> dict[str, Any]:
    """Settings of every Kafka client; the brokers are those of the knob `kafka.bootstrap` unless given."""
    return {"bootstrap.servers": bootstrap or settings().kafka.bootstrap, **WITHOUT_LOG}


def cluster_id(timeout_seconds: float = 1.0) -> str | None:
    """The id of the cluster that answers at `kafka.bootstrap`; None when Kafka does not answer."""
    try:
        answer = AdminClient(client_config()).list_topics(timeout=timeout_seconds)
    except KafkaException:
        return None
    return str(answer.cluster_id)


def broker_answers(timeout_seconds: float = 1.0) -> bool:
    """Whether Kafka answers a metadata request."""
    return cluster_id(timeout_seconds) is not None


def producer_config(linger_ms: int = 5) -> dict[str, Any]:
    """acks=all and idempotent; a record not confirmed in time fails instead of waiting in memory."""
    return {
        **client_config(),
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": linger_ms,
        "partitioner": "murmur2_random",
        "message.max.bytes": 2_000_000,
        "message.timeout.ms": int(settings().kafka.acknowledge_timeout_seconds * 1000),
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,
    }


def partition_of(topic: str, together: str | None) -> int:
    """Partition of all records with this text, the same in every process; -1 (by key) without one.

    Raises KafkaException when the partitions of the topic are not known yet and the brokers do not answer.
    """
    return partition_together(together, partition_count(topic)) if together else -1


def partition_count(topic: str) -> int:
    """How many partitions the topic has; as many as it will be created with while it does not exist.

    The number is read from the broker once: it is fixed for the life of a topic. Raises KafkaException.
    """
    bootstrap = settings().kafka.bootstrap
    if (bootstrap, topic) not in _partition_counts:
        if not any_is_open():  # librdkafka would wait for its time limit
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001
        listed = AdminClient(client_config()).list_topics(timeout=ANSWER_SECONDS).topics
        _partition_counts.update(
            {(bootstrap, name): len(known.partitions) for name, known in listed.items() if known.partitions}
        )
    return _partition_counts.get((bootstrap, topic), settings().kafka.partitions)


_partition_counts: dict[tuple[str, str], int] = {}  # by brokers and topic


def dead_letter_headers(door: str, reason: str, topic: str, listed: bool = True) -> list[Header]:
    """Headers added to a dead-letter record: who refused it, why, and its topic.

    Not `listed`: it is kept and counted, and waits for no decision.
    """
    headers = [("door", door.encode()), ("reason", reason.encode()), ("original_topic", topic.encode())]
    return headers if listed else [*headers, ("listed", b"no")]


def subscribed() -> list[str]:
    """Topics that the stream reads: one a kind, and those of older systems (knob `kafka.legacy_topics`)."""
    return [*topics(), *settings().kafka.legacy_topics]


def create_topics(names: Sequence[str]) -> list[str]:
    """Create the missing topics; returns their names, when every client can see them.

    Raises RuntimeError when the broker refuses one.
    """
    knobs = settings().kafka
    admin = AdminClient(client_config())
    existing = admin.list_topics(timeout=10).topics
    missing = [name for name in names if name not in existing]
    config = {"retention.ms": str(knobs.retention_hours * 3_600_000), "max.message.bytes": "2097152"}
    topics = [NewTopic(name, knobs.partitions, knobs.replication_factor, config=config) for name in missing]
    futures = admin.create_topics(topics) if topics else {}
    for name, future in futures.items():
        try:
            future.result(timeout=15)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise RuntimeError(f"topic {name} could not be created: {error}") from error
    if missing:
        _wait_for_topics(admin, missing)
    return missing


@retry(
    retry=retry_if_exception_type(TopicNotListed),
    stop=stop_after_delay(ANSWER_SECONDS),
    wait=wait_fixed(0.05),
    reraise=True,
)
def _wait_for_topics(admin: AdminClient, names: Sequence[str]) -> None:
    """A broker acknowledges a new topic before its list of topics holds it, a moment later."""
    listed = admin.list_topics(timeout=ANSWER_SECONDS).topics
    if unlisted := [name for name in names if name not in listed or not listed[name].partitions]:
        raise TopicNotListed(f"topics were created, but Kafka does not list them: {', '.join(unlisted)}")


def _is_passing(error: BaseException) -> bool:
    """Whether a partition has no leader for the moment: it was just made, or is moved."""
    return isinstance(error, KafkaException) and error.args[0].code() in WITHOUT_LEADER


def partition_bounds(topics: Sequence[str], bootstrap: str | None = None) -> Bounds:
    """First and next offset that Kafka holds, per topic and partition. Topics that do not exist are left out.

    Raises KafkaException when the brokers do not answer within 5 s.
    """
    return bounds_by(AdminClient(client_config(bootstrap)), topics)


@retry(
    retry=retry_if_exception(_is_passing),
    stop=stop_after_delay(ANSWER_SECONDS),
    wait=wait_fixed(0.1),
    reraise=True,
)
def bounds_by(admin: AdminClient, topics: Sequence[str]) -> Bounds:
    """`partition_bounds` by a client that is kept: to connect takes ten times as long as to ask."""
    existing = admin.list_topics(timeout=ANSWER_SECONDS).topics
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        if topic in existing
        for number in existing[topic].partitions
    ]
    first, following = (
        _offsets(admin, partitions, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
    )
    bounds: Bounds = {}
    for known in partitions:
        bounds.setdefault(known.topic, {})[str(known.partition)] = (first[known], following[known])
    return bounds


def _offsets(
    admin: AdminClient, partitions: Sequence[TopicPartition], spec: OffsetSpec
) -> dict[TopicPartition, int]:
    """One offset of each partition, by one request to each broker."""
    if not partitions:
        return {}
    futures = admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=ANSWER_SECONDS)
    return {partition: future.result().offset for partition, future in futures.items()}


def broker_ids(topics: Sequence[str]) -> dict[str, str]:
    """Ids that Kafka gave the cluster (key: cluster) and each topic; topics that do not exist are left out.

    A topic that is created again gets another id, a wiped broker other ids throughout. Raises KafkaException
    when the broker does not answer within 5 s.
    """
    admin = AdminClient(client_config())
    cluster = admin.describe_cluster(request_timeout=ANSWER_SECONDS).result(10)
    existing = admin.list_topics(timeout=5).topics
    described = admin.describe_topics(
        TopicCollection([topic for topic in topics if topic in existing]), request_timeout=5
    )
    return {"cluster": cluster.cluster_id} | {
        topic: str(future.result(10).topic_id) for topic, future in described.items()
    }


def newest_values(topic: str, count: int) -> list[bytes]:
    """Values of the newest `count` records of each partition that Kafka holds now.

    Raises KafkaException when the brokers do not answer.
    """
    bounds = partition_bounds([topic]).get(topic, {})
    ends = {int(number): end for number, (first, end) in bounds.items() if end > first}
    starts = [
        TopicPartition(topic, number, max(bounds[str(number)][0], end - count))
        for number, end in ends.items()
    ]
    values: list[bytes] = []
    if not starts:
        return values
    consumer = Consumer({**client_config(), "group.id": "newest-values", "enable.partition.eof": True})
    try:
        consumer.assign(starts)
        while ends:
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
            error = message.error()
            if error is None:
                values.append(message.value() or b"")
            elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                raise KafkaException(error)
            if error is not None or message.offset() + 1 >= ends.get(message.partition(), 0):
                ends.pop(message.partition(), None)
    finally:
        consumer.close()
    return values


class EventSink:
    """`send` queues, `flush` returns when everything is acknowledged.

    Both raise NotAcknowledged: then nothing sent since the last `flush` counts as stored.
    """

    def __init__(self, linger_ms: int = 5) -> None:
        self._producer = Producer(producer_config(linger_ms))
        self._failure: str | None = None

    def send(self, event: Event) -> None:
        """Queue an event; waits while the queue is full."""
        self._produce(event.topic, event.key, event.value, event.headers, event.together)

    def flush(self) -> None:
        """Wait for every acknowledgement."""
        waiting = self._producer.flush(settings().kafka.acknowledge_timeout_seconds * 2)
        self._poll(0)
        if waiting:
            raise NotAcknowledged(f"{waiting} records were not acknowledged by {settings().kafka.bootstrap}")

    def _produce(
        self, topic: str, key: str, value: bytes, headers: Sequence[Header], together: str | None
    ) -> None:
        while True:
            try:
                partition = partition_of(topic, together)
                self._producer.produce(topic, value, key, partition, self._delivered, headers=list(headers))
                break
            except BufferError:
                self._poll(POLL_SECONDS)
            except KafkaException as error:
                raise NotAcknowledged(str(error)) from None
        self._poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"{settings().kafka.bootstrap} at {rfc3339(datetime.now(UTC))}: {error.str()}"

    def _poll(self, seconds: float) -> None:
        """Take acknowledgements. Raises NotAcknowledged when a record was refused."""
        self._producer.poll(seconds)
        if self._failure:
            failure, self._failure = self._failure, None
            raise NotAcknowledged(failure)


def publish(events: Sequence[Event]) -> None:
    """Publish the events and wait for Kafka. Raises NotAcknowledged when one is not acknowledged in time."""
    sink = EventSink()
    for event in events:
        sink.send(event)
    sink.flush()


class AcknowledgedProducer:
    """For asyncio: `await send(…)` returns after Kafka has acknowledged, or raises NotAcknowledged."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(producer_config())
        self._in_order = asyncio.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-poll", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            with survived("kafka_poll"):  # without this thread nothing would be acknowledged any more
                while not self._stopping.is_set():
                    self._producer.poll(POLL_SECONDS)  # an acknowledgement ends the wait
            self._stopping.wait(PAUSE_SECONDS)

    async def send(
        self, topic: str, key: str, value: bytes, headers: Sequence[Header], together: str | None = None
    ) -> tuple[int, int]:
        """Partition and offset of the acknowledged record. Records of one `together` share a partition."""
        future: asyncio.Future[tuple[int, int]] = self._loop.create_future()

        def settle(error: KafkaError | None, partition: int, offset: int) -> None:
            if future.done():  # the caller no longer waits
                return
            if error is None:
                future.set_result((partition, offset))
            else:
                future.set_exception(NotAcknowledged(error.str()))

        def delivered(error: KafkaError | None, message: Any) -> None:
            self._loop.call_soon_threadsafe(settle, error, message.partition(), message.offset())

        try:
            async with self._in_order:  # records that wait for the broker stay before those that do not
                if together and (settings().kafka.bootstrap, topic) not in _partition_counts:
                    await self._loop.run_in_executor(None, partition_count, topic)
                partition = partition_of(topic, together)
                self._producer.produce(topic, value, key, partition, delivered, headers=list(headers))
        except BufferError:
            raise NotAcknowledged("too many records wait for the broker") from None
        except KafkaException as error:
            raise NotAcknowledged(str(error)) from None
        return await future

    def reachable(self, timeout_seconds: float = 1.0) -> bool:
        """Whether the broker answers a metadata request."""
        try:
            self._producer.list_topics(timeout=timeout_seconds)
        except KafkaException:
            return False
        return True

    async def close(self) -> None:
        """Wait for what is under way, then stop the poll thread."""
        await self._loop.run_in_executor(
            None, self._producer.flush, settings().kafka.acknowledge_timeout_seconds
        )
        self._stopping.set()
        self._thread.join(timeout=2)
