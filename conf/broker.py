"""How every room reaches Kafka: client settings, topics, and a producer that tells when the broker has acknowledged."""

import asyncio
import threading
import zlib
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from conf.settings import settings

Header = tuple[str, bytes]
# A broker that is away shows in the answers of the doors; librdkafka would tell it ten times a second.
QUIET = {"log_level": 0, "error_cb": lambda error: None}


class NotAcknowledged(RuntimeError):
    """Kafka has not confirmed a record in time; the sender must not be told that it is safe."""


def producer_config() -> dict[str, Any]:
    """acks=all and idempotent; a record not confirmed in time fails instead of waiting in memory."""
    return {
        "bootstrap.servers": settings().kafka.bootstrap,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 5,
        "partitioner": "murmur2_random",
        "message.max.bytes": 2_000_000,
        "message.timeout.ms": int(settings().kafka.acknowledge_timeout_seconds * 1000),
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,
        **QUIET,
    }


def partition_of(together: str | None) -> int:
    """The partition that holds all records with this text, the same in every process; -1 (by the record's key) without one."""
    return zlib.crc32(together.encode("utf-8", "replace")) % settings().kafka.partitions if together else -1


def create_topics(names: Sequence[str]) -> list[str]:
    """Create the topics that are missing; returns their names. Raises KafkaException when the broker refuses."""
    knobs = settings().kafka
    admin = AdminClient({"bootstrap.servers": knobs.bootstrap, **QUIET})
    there = admin.list_topics(timeout=10).topics
    missing = [name for name in names if name not in there]
    config = {"retention.ms": str(knobs.retention_hours * 3_600_000), "max.message.bytes": "2097152"}
    futures = admin.create_topics([NewTopic(name, knobs.partitions, 1, config=config) for name in missing]) if missing else {}
    for name, future in futures.items():
        try:
            future.result(timeout=15)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise RuntimeError(f"topic {name} could not be created: {error}") from error
    return missing


class AcknowledgedProducer:
    """For asyncio doors: `await send(…)` returns after Kafka has acknowledged, or raises NotAcknowledged."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(producer_config())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-poll", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)

    async def send(
        self, topic: str, key: str, value: bytes, headers: Sequence[Header], together: str | None = None
    ) -> tuple[int, int]:
        """(partition, offset) of the acknowledged record. Records with the same text `together` share a partition."""
        future: asyncio.Future[tuple[int, int]] = self._loop.create_future()

        def settle(error: KafkaError | None, partition: int, offset: int) -> None:
            if future.done():  # the caller has gone
                return
            if error is None:
                future.set_result((partition, offset))
            else:
                future.set_exception(NotAcknowledged(error.str()))

        def delivered(error: KafkaError | None, message: Any) -> None:
            self._loop.call_soon_threadsafe(settle, error, message.partition(), message.offset())

        try:
            self._producer.produce(topic, value, key, partition_of(together), delivered, headers=list(headers))
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
        await self._loop.run_in_executor(None, self._producer.flush, settings().kafka.acknowledge_timeout_seconds)
        self._stopping.set()
        self._thread.join(timeout=2)
