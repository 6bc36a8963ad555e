"""Events of this door on their way to Kafka, and a memory of those that Kafka has but the tables do not yet show."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from conf.broker import AcknowledgedProducer, Header, NotAcknowledged
from lakehouse.event import DEAD_LETTERS, Event
from serving_api.problems import Problem

log = logging.getLogger("lumbung.api")
REMEMBERED_EVENTS = 50_000  # about 20 MB; the stream is seconds behind, so the newest are those that are asked for


@dataclass(frozen=True)
class Accepted:
    """An event that Kafka has acknowledged to this process."""

    kinds: tuple[str, ...]
    source: str
    received_at: str


class RememberingProducer(AcknowledgedProducer):
    """Knows the newest events that it has sent, by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self._accepted: OrderedDict[str, Accepted] = OrderedDict()

    async def send(
        self, topic: str, key: str, value: bytes, headers: Sequence[Header], together: str | None = None
    ) -> tuple[int, int]:
        """As its parent; what is acknowledged is remembered, dead letters are not."""
        place = await super().send(topic, key, value, headers, together)
        if topic != DEAD_LETTERS:
            told = {name: value.decode() for name, value in headers}
            before = self._accepted.pop(told["event_id"], None)
            kinds = dict.fromkeys((*(before.kinds if before else ()), told["kind"]))
            self._accepted[told["event_id"]] = Accepted(tuple(kinds), told["source"], told["received_at"])
            if len(self._accepted) > REMEMBERED_EVENTS:
                self._accepted.popitem(last=False)
        return place

    def accepted(self, event_id: str) -> Accepted | None:
        """The event, if this process has sent it and not forgotten."""
        return self._accepted.get(event_id)


async def acknowledged(producer: AcknowledgedProducer, events: Sequence[Event]) -> None:
    """Returns when Kafka has acknowledged all of them. Raises Problem 503: the caller sends all of it again."""
    sending = (producer.send(event.topic, event.key, event.value, event.headers, event.together) for event in events)
    failures = [one for one in await asyncio.gather(*sending, return_exceptions=True) if isinstance(one, BaseException)]
    for failure in failures:
        if not isinstance(failure, NotAcknowledged):
            raise failure
    if failures:
        log.warning("Kafka did not acknowledge %d of %d records: %s", len(failures), len(events), failures[0])
        raise Problem("kafka-unavailable")
