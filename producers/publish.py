"""Files -> Kafka: many events at once; only what Kafka has acknowledged counts as sent."""

from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from conf.settings import settings
from lakehouse.event import DEAD_LETTERS, Event
from lakehouse.io.kafka import Header, NotAcknowledged, dead_letter_headers, partition_of, producer_config
from lakehouse.times import rfc3339

FILE_LINGER_MS = 20  # larger batches than for single events, which must not wait


class KafkaSink:
    """`send` queues, `flush` returns when everything is acknowledged.

    Both raise NotAcknowledged: then nothing sent since the last `flush` counts as stored.
    """

    def __init__(self) -> None:
        self._producer = Producer(producer_config(linger_ms=FILE_LINGER_MS))
        self._failure: str | None = None
        self.sent = 0
        self.dead_letters = 0

    def send(self, event: Event) -> None:
        """Queue an event; waits while the queue is full. One that is too large goes to the dead letters."""
        limit = settings().api.event_max_bytes
        if len(event.value) > limit:
            headers = [*event.headers, *dead_letter_headers("csv", "payload_size", event.topic)]
            # The key is made from the payload, so it may be as large as the payload.
            self._produce(DEAD_LETTERS, event.source, event.value[:limit], headers, None)
            self.dead_letters += 1
        else:
            self._produce(event.topic, event.key, event.value, event.headers, event.together)
        self.sent += 1
        if self.sent % 500 == 0:
            self._producer.poll(0)
            self._raise_failure()

    def _produce(
        self, topic: str, key: str, value: bytes, headers: list[Header], together: str | None
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition_of(topic, together), self._delivered, headers=headers
                )
                return
            except BufferError:
                self._producer.poll(0.1)
                self._raise_failure()
            except KafkaException as error:
                raise NotAcknowledged(str(error)) from None

    def flush(self) -> None:
        """Wait for every acknowledgement."""
        try:
            unsent = self._producer.flush(settings().kafka.acknowledge_timeout_seconds * 2)
        except KafkaException as error:
            raise NotAcknowledged(str(error)) from None
        self._raise_failure()
        if unsent:
            raise NotAcknowledged(f"{unsent} records were not acknowledged by {settings().kafka.bootstrap}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"{settings().kafka.bootstrap} at {rfc3339(datetime.now(UTC))}: {error.str()}"

    def _raise_failure(self) -> None:
        if self._failure:
            failure, self._failure = self._failure, None
            raise NotAcknowledged(failure)
