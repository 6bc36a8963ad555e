"""Files -> Kafka: many events at once, nothing called sent before Kafka has acknowledged it."""

from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from conf.broker import NotAcknowledged, partition_of, producer_config
from conf.settings import settings
from lakehouse.event import DEAD_LETTERS, Event, rfc3339


class KafkaSink:
    """`send` queues, `flush` returns when everything is acknowledged.

    Both raise NotAcknowledged: nothing sent since the last `flush` may then be called safe.
    """

    def __init__(self) -> None:
        self._producer = Producer(producer_config() | {"linger.ms": 20})
        self._failure: str | None = None
        self.sent = 0
        self.dead_letters = 0

    def send(self, event: Event) -> None:
        """Queue an event; waits while the queue is full. One that is too large goes to the dead letters."""
        topic, key, value, headers, together = event.topic, event.key, event.value, event.headers, event.together
        if len(value) > settings().api.event_max_bytes:
            headers += [("door", b"csv"), ("reason", b"payload_size"), ("original_topic", topic.encode())]
            # The key is made of the payload, so it may be as large as the payload.
            topic, key, value, together = DEAD_LETTERS, event.source, value[: settings().api.event_max_bytes], None
            self.dead_letters += 1
        while True:
            try:
                self._producer.produce(topic, value, key, partition_of(together), self._delivered, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.1)
                self._raise_failure()
            except KafkaException as error:
                raise NotAcknowledged(str(error)) from None
        self.sent += 1
        if self.sent % 500 == 0:
            self._producer.poll(0)
            self._raise_failure()

    def flush(self) -> None:
        """Wait for every acknowledgement."""
        try:
            left = self._producer.flush(settings().kafka.acknowledge_timeout_seconds * 2)
        except KafkaException as error:
            raise NotAcknowledged(str(error)) from None
        self._raise_failure()
        if left:
            raise NotAcknowledged(f"{left} records were not acknowledged by {settings().kafka.bootstrap}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"{settings().kafka.bootstrap} at {rfc3339(datetime.now(UTC))}: {error.str()}"

    def _raise_failure(self) -> None:
        if self._failure:
            failure, self._failure = self._failure, None
            raise NotAcknowledged(failure)
