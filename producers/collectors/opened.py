"""Collectors with what they work with: one HTTP client, one producer, and a lock and a state for each."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx2

from conf.collected_sources import collected_sources
from conf.runtime.process import hold
from conf.settings import settings
from lakehouse.io.kafka import AcknowledgedProducer
from producers.collectors.client import AGENT, SourceClient
from producers.collectors.collector import Collector
from producers.collectors.configured import source_of
from producers.collectors.recordings import recorder_of
from producers.collectors.state import SourceState


@asynccontextmanager
async def open_collectors(names: Iterable[str]) -> AsyncIterator[list[Collector]]:
    """One collector a source. Raises Refused when another process collects one of them.

    Redirects are not followed: the address that an operator set is the one that is rest_seconds.
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
    recorder = recorder_of(name, settings().home) if settings().collectors.record else None
    pace = settings().collectors.requests_per_minute.get(name, about.requests_per_minute)
    client = SourceClient(state, pace, http, recorder)
    return Collector(source_of(name), about, state, client, producer)
