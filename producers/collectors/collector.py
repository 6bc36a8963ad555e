"""Collects one source: sends what is new to Kafka, and moves its cursor after Kafka has acknowledged."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from conf.collected_sources import CollectedSource, collected_sources
from conf.runtime.failpoints import failpoint
from conf.runtime.process import hold
from conf.settings import settings
from lakehouse.event import DEAD_LETTERS, Event
from lakehouse.io.kafka import AcknowledgedProducer, dead_letter_headers
from lakehouse.times import rfc3339
from producers.collectors.client import AGENT, SourceClient
from producers.collectors.recordings import BadRecording, Recorder, recorded_answers
from producers.collectors.source import (
    Answer,
    Item,
    LiveSource,
    Pages,
    ShapeChanged,
    Source,
    SourcePage,
    event_of,
    names_of_unknown,
    row_id,
    source_of,
)
from producers.collectors.state import SourceState

log = logging.getLogger("lumbung.collectors")
DOOR = "collector"
CLOCK_SECONDS = 60  # a clock that differs by more is reported


@dataclass
class CollectorCounts:
    """What a collector has done since its process started."""

    polls: int = 0
    failed_polls: int = 0
    events: int = 0
    known: int = 0  # rows that were sent before
    refused: int = 0  # sent to the dead letters
    failure: str | None = None  # of the newest poll
    last_poll_at: str | None = None
    last_success_at: str | None = None
    clock_skew_seconds: float | None = None  # how far the source's clock is ahead of ours
    unknown_fields: list[str] = field(default_factory=list)  # of its newest rows: it renamed or added them


@dataclass
class Collector:
    """One source with its state. Its methods raise NotAcknowledged when Kafka does not answer in time."""

    source: Source
    about: CollectedSource
    state: SourceState
    client: SourceClient
    producer: AcknowledgedProducer
    counts: CollectorCounts = field(default_factory=CollectorCounts)

    async def poll(self) -> None:
        """Store everything that is new. Raises TransientFailure, RequestRefused and ShapeChanged.

        What came before the failure is stored.
        """
        self.client.requested.clear()
        self.counts.polls += 1
        self.counts.last_poll_at = rfc3339(datetime.now(UTC))
        try:
            async with aclosing(self.source.poll(self.client, self.state.cursor)) as pages:
                await self.take(pages)
        except Exception as error:
            self.counts.failed_polls += 1
            self.counts.failure = f"{type(error).__name__}: {error}"
            raise
        self.state.end_poll(self.client.requested)
        self.counts.failure = None
        self.counts.last_success_at = self.counts.last_poll_at

    async def take(self, pages: Pages) -> None:
        """Send the pages; store the cursor of each that has one, after Kafka has acknowledged all before it.

        An answer of another shape goes to the dead letters, the others are stored, the cursor stays, and
        ShapeChanged is raised at the end.
        """
        sent: list[tuple[Answer, list[str]]] = []
        changed: ShapeChanged | None = None
        async for page in pages:
            if page.answer:
                try:
                    sent.append((page.answer, await self._send_rows(page.answer)))
                except ShapeChanged as error:
                    changed = error
                    await self._refuse_answer(page.answer)
            if page.cursor is not None:
                failpoint("collector.acknowledged")
                self.state.keep(sent, self.state.cursor if changed else page.cursor)
                sent = []
        if changed:
            raise changed

    async def follow(self, live: LiveSource, url: str) -> None:
        """Store what the source sends by itself, until its connection or a poll fails and raises."""
        async with aclosing(live.follow(url, lambda: self.state.cursor)) as pages:
            async for page in pages:
                if page is None:
                    await self.poll()
                else:
                    await self.take(_only(page))
                    self.counts.last_success_at = rfc3339(datetime.now(UTC))

    async def _send_rows(self, answer: Answer) -> list[str]:
        """Send the events of an answer that were not sent before; returns the ids of all of them."""
        self._compare_clocks(answer)
        events = self._events(answer, answer.received_at)
        known = self.state.known_ids() & events.keys()
        await self._send(event for event_id, event in events.items() if event_id not in known)
        self.counts.known += len(known)
        return list(events)

    def _events(self, answer: Answer, received_at: datetime, sender: str | None = None) -> dict[str, Event]:
        """Event id -> event of the rows of an answer; of a row that is there twice, the first."""
        events: dict[str, Event] = {}
        items = self.source.items(answer)
        self._compare_fields(items)
        for item in items:
            event = event_of(self.about.kind, item, self.about.name, received_at, sender)
            events.setdefault(event.event_id, event)
        return events

    async def _send(self, events: Iterable[Event]) -> None:
        """Send events in their order and wait for all acknowledgements."""
        results = await asyncio.gather(*map(self._send_event, events), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise failures[0]

    async def _send_event(self, event: Event) -> None:
        limit = settings().api.event_max_bytes
        if len(event.value) <= limit:
            await self.producer.send(event.topic, event.key, event.value, event.headers, event.together)
            self.counts.events += 1
        else:
            await self._refuse(event, "payload_size")

    async def _refuse_answer(self, answer: Answer) -> None:
        """Keep an answer of which no row can be read. The same answer again has the same id."""
        item = Item(row_id(answer.name, hashlib.sha256(answer.body).hexdigest()), {})
        event = event_of(self.about.kind, item, self.about.name, answer.received_at)
        await self._refuse(replace(event, value=answer.body), "answer_shape")

    async def _refuse(self, event: Event, reason: str) -> None:
        """Send to the dead letters; of what is too large for an event only the beginning is kept."""
        headers = [*event.headers, *dead_letter_headers(DOOR, reason, event.topic)]
        body = event.value[: settings().api.event_max_bytes]
        await self.producer.send(DEAD_LETTERS, event.source, body, headers)
        self.counts.refused += 1

    async def replay(self, file: Path) -> int:
        """Send the events of recorded answers; returns their number. Ids are those of the live events.

        Raises BadRecording, OSError and ShapeChanged.
        """
        before = self.counts.events
        for number, answer in enumerate(recorded_answers(file), start=1):
            try:
                events = self._events(answer, datetime.now(UTC), f"file:{file.name}#{number}")
            except (ValueError, IndexError):  # its name is not that of a request of this source
                raise BadRecording(
                    f"{file.name}, line {number}: not an answer of {self.about.name}"
                ) from None
            await self._send(events.values())
        return self.counts.events - before

    def _compare_fields(self, items: list[Item]) -> None:
        """Report fields that the source's file does not name; an answer without rows says nothing."""
        unknown = names_of_unknown(self.about.name, items)
        if set(unknown) - set(self.counts.unknown_fields):
            log.warning("%s: unknown fields: %s", self.about.name, ", ".join(unknown))
        if items:
            self.counts.unknown_fields = unknown

    def _compare_clocks(self, answer: Answer) -> None:
        if answer.server_time is None:
            return
        skew = (answer.server_time - answer.received_at).total_seconds()
        if abs(skew) > CLOCK_SECONDS and self.counts.clock_skew_seconds is None:
            log.warning("%s: its clock is %.0f s ahead of ours", self.about.name, skew)
        self.counts.clock_skew_seconds = skew if abs(skew) > CLOCK_SECONDS else None

    def status(self) -> dict[str, Any]:
        """The counts as an entry of the status file."""
        return {"kind": self.about.kind, **asdict(self.counts)}


async def _only(page: SourcePage) -> Pages:
    yield page


@asynccontextmanager
async def open_collectors(names: Iterable[str]) -> AsyncIterator[list[Collector]]:
    """One collector a source. Raises Refused when another process collects one of them.

    Redirects are not followed: the address that an operator set is the one that is requested.
    """
    locks = [hold(f"collector_{name}", f"another process collects {name}") for name in names]
    producer = AcknowledgedProducer()
    try:
        seconds = settings().collectors.request_seconds
        async with httpx2.AsyncClient(headers={"User-Agent": AGENT}, timeout=seconds) as http:
            yield [_collector(name, http, producer) for name in names]
    finally:
        await producer.close()
        for lock in locks:
            lock.close()


def _collector(name: str, http: httpx2.AsyncClient, producer: AcknowledgedProducer) -> Collector:
    about = collected_sources()[name]
    state = SourceState(name)
    recorder = Recorder(name, settings().home) if settings().collectors.record else None
    pace = settings().collectors.requests_per_minute.get(name, about.requests_per_minute)
    client = SourceClient(state, pace, http, recorder)
    return Collector(source_of(name), about, state, client, producer)
