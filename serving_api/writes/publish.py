"""Publishing events to Kafka, with a memory of those that are in Kafka and not yet in the tables."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.event import DEAD_LETTERS, Event
from lakehouse.io.kafka import AcknowledgedProducer, Header, NotAcknowledged
from serving_api.http.problems import Problem

log = logging.getLogger("lumbung.api")
# About 20 MB. The stream is seconds behind, so the newest events are those that callers look up.
REMEMBERED_EVENTS = 50_000


@dataclass(frozen=True)
class AcceptedEvent:
    """An event of this process that Kafka has acknowledged."""

    kinds: tuple[str, ...]
    source: str
    received_at: str


class RememberingProducer(AcknowledgedProducer):
    """Remembers the newest events that it has sent, by their ids and sources."""

    def __init__(self) -> None:
        super().__init__()
        self._accepted: OrderedDict[str, dict[str, AcceptedEvent]] = OrderedDict()

    async def send(
        self, topic: str, key: str, value: bytes, headers: Sequence[Header], together: str | None = None
    ) -> tuple[int, int]:
        """As the parent. Acknowledged events are remembered, dead letters are not."""
        position = await super().send(topic, key, value, headers, together)
        if topic != DEAD_LETTERS:
            fields = {name: header.decode() for name, header in headers}
            by_source = self._accepted.setdefault(fields["event_id"], {})
            self._accepted.move_to_end(fields["event_id"])
            before = by_source.pop(fields["source"], None)
            kinds = dict.fromkeys((*(before.kinds if before else ()), fields["kind"]))
            event = AcceptedEvent(tuple(kinds), fields["source"], fields["received_at"])
            by_source[event.source] = event
            if len(self._accepted) > REMEMBERED_EVENTS:
                self._accepted.popitem(last=False)
        return position

    def accepted(self, event_id: str) -> dict[str, AcceptedEvent]:
        """Source -> the event with this id that this process has sent and remembers, newest first."""
        return dict(reversed(self._accepted.get(event_id, {}).items()))


async def publish(producer: AcknowledgedProducer, events: Sequence[Event]) -> None:
    """Returns when Kafka has acknowledged all of them.

    Raises Problem 503: the caller sends all of them again.
    """
    sending = (
        producer.send(event.topic, event.key, event.value, event.headers, event.together) for event in events
    )
    results = await asyncio.gather(*sending, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, NotAcknowledged):
            raise failure
    if failures:
        log.warning("Kafka did not acknowledge %d of %d records: %s", len(failures), len(events), failures[0])
        raise Problem("kafka-unavailable")
