"""Files -> Kafka: many events at once; only what Kafka has acknowledged counts as sent."""

from conf.settings import settings
from lakehouse.event import DEAD_LETTERS, Event
from lakehouse.io.kafka import EventSink, dead_letter_headers

FILE_LINGER_MS = 20  # larger batches than for single events, which must not wait


class KafkaSink(EventSink):
    """Sends events of files, and counts them. One that is too large goes to the dead letters."""

    def __init__(self) -> None:
        super().__init__(FILE_LINGER_MS)
        self.sent = 0
        self.dead_letters = 0

    def send(self, event: Event) -> None:
        """Queue an event; waits while the queue is full."""
        limit = settings().api.event_max_bytes
        if len(event.value) > limit:
            headers = [*event.headers, *dead_letter_headers("csv", "payload_size", event.topic)]
            # The key is made from the payload, so it may be as large as the payload.
            self._produce(DEAD_LETTERS, event.source, event.value[:limit], headers, None)
            self.dead_letters += 1
        else:
            super().send(event)
        self.sent += 1
