"""The service that collects: each source at its own pace, so that one that fails holds up no other.

It may be killed at any moment: what Kafka has acknowledged but the cursor does not cover is sent again with
the same ids, and the stream drops it.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from confluent_kafka import KafkaException
from websockets.exceptions import WebSocketException

from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused
from conf.runtime.status_files import write_status
from conf.settings import settings
from lakehouse.event import topics
from lakehouse.io.kafka import NotAcknowledged, broker_answers, create_topics
from lakehouse.io.process_status import COLLECTORS, status_file
from lakehouse.io.source_files.file_events import digest_of
from producers.collectors.collector import Collector, open_collectors
from producers.collectors.recordings import BadRecording
from producers.collectors.source import (
    LiveSource,
    Mode,
    RequestRefused,
    ShapeChanged,
    TransientFailure,
    active_sources,
    missing,
    source_modes,
)

log = logging.getLogger("lumbung.collectors")
AFTER_FAILURE_SECONDS = 30.0  # doubled with each failed poll in a row, up to the usual pause
MOST_DOUBLINGS = 16
RECONNECT_SECONDS = 1.0
REPORT_SECONDS = 5.0
AFTER_KAFKA_SECONDS = 5.0
WAIT_SECONDS = 0.5  # between two looks for Kafka at the start
POLL_FAILURES = (TransientFailure, RequestRefused, ShapeChanged)


class CollectorService:
    """Runs the collectors and writes their status after each poll."""

    def __init__(self, collectors: list[Collector], modes: Mapping[str, Mode]) -> None:
        self._collectors = collectors
        self._modes = modes
        self._reported: dict[str, dict[str, Any]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Collect until `stopping` is set. A fault of the program itself ends all, and is raised."""
        self.report("running")
        work = [stopping.wait(), self._report_changes(), *map(self._follow, self._collectors)]
        tasks = [asyncio.create_task(each) for each in work]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.report("stopped")
        for task in done:
            task.result()

    def report(self, state: Literal["running", "stopped"]) -> None:
        """Write the status file."""
        self._reported = {
            collector.about.name: {"mode": self._modes[collector.about.name], **collector.status()}
            for collector in self._collectors
        }
        status = {"pid": os.getpid(), "state": state, "sources": self._reported}
        write_status(status_file(COLLECTORS), status)

    async def _report_changes(self) -> None:
        """Report what was collected between two polls, over a connection that stays open."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            events = {name: source["events"] for name, source in self._reported.items()}
            if events != {each.about.name: each.counts.events for each in self._collectors}:
                self.report("running")

    async def _follow(self, collector: Collector) -> None:
        """Collect one source for ever."""
        if self._modes[collector.about.name] == "recording":
            await self._replay(collector)
            await asyncio.Event().wait()  # there is nothing more to do until the next start
        live_url = collector.source.stream_url() if isinstance(collector.source, LiveSource) else None
        every = pause_of(collector)
        await asyncio.sleep(collector.state.polled_at + every - time.time())
        failures = 0
        while True:
            rest_seconds = await self._poll(collector)
            failures = 0 if rest_seconds is None else failures + 1
            pause = every
            if rest_seconds is not None:
                pause = max(
                    rest_seconds, min(every, AFTER_FAILURE_SECONDS * 2 ** min(failures, MOST_DOUBLINGS))
                )
            elif live_url:
                pause = await self._stay_connected(collector, live_url)
            await asyncio.sleep(pause)

    async def _poll(self, collector: Collector) -> float | None:
        """One poll: None when all is stored, else the seconds for which the source asks for a rest."""
        while True:
            if not await asyncio.to_thread(broker_answers):  # else each attempt would cost requests
                await asyncio.sleep(AFTER_KAFKA_SECONDS)
                continue
            try:
                await collector.poll()
            except NotAcknowledged as error:
                log.warning("%s: Kafka has not acknowledged: %s", collector.about.name, error)
                self.report("running")
                await asyncio.sleep(AFTER_KAFKA_SECONDS)
                continue
            except POLL_FAILURES as error:
                log.warning("%s: %s", collector.about.name, error)
                return getattr(error, "retry_after", 0.0)
            else:
                return None
            finally:
                self.report("running")

    async def _stay_connected(self, collector: Collector, url: str) -> float:
        """Store what the source sends until its connection, a poll or Kafka fails.

        Returns the pause before the next poll, which is short after a connection that had lasted.
        """
        assert isinstance(collector.source, LiveSource)
        began = time.monotonic()
        every = pause_of(collector)
        try:
            await collector.follow(collector.source, url)
        except (WebSocketException, OSError, NotAcknowledged, *POLL_FAILURES) as error:
            log.warning("%s: the connection ended: %s", collector.about.name, type(error).__name__)
        self.report("running")
        return RECONNECT_SECONDS if time.monotonic() - began > every else every

    async def _replay(self, collector: Collector) -> None:
        """Send the configured recording once, again only when its content has changed."""
        name = collector.about.name
        file = settings().collectors.recordings[name]
        try:
            sha256 = await asyncio.to_thread(digest_of, file)
            if sha256 != collector.state.replayed:
                log.info("%s: %d events of %s are sent", name, await collector.replay(file), file.name)
                collector.state.end_replay(sha256)
        except (OSError, BadRecording, ShapeChanged, NotAcknowledged) as error:
            collector.counts.failure = f"{type(error).__name__}: {error}"
            log.error("%s: the recording was not sent: %s", name, error)
        self.report("running")


def pause_of(collector: Collector) -> float:
    """Seconds between two polls: of the knob, else of the source's file."""
    minutes = settings().collectors.every_minutes.get(collector.about.name, collector.about.every_minutes)
    return minutes * 60


async def collect(modes: Mapping[str, Mode]) -> None:
    """Run until SIGTERM or SIGINT. Raises Refused when another process collects one of the sources."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with open_collectors(modes) as collectors:
        if await topics_exist(stopping):
            await CollectorService(collectors, modes).run(stopping)


async def topics_exist(stopping: asyncio.Event) -> bool:
    """Create the missing topics as soon as Kafka answers; False when stopped before."""
    while not stopping.is_set():
        try:
            if await asyncio.to_thread(broker_answers):
                await asyncio.to_thread(create_topics, topics())
                return True
        except (KafkaException, RuntimeError) as error:
            log.warning("the topics are not there yet: %s", error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), WAIT_SECONDS)
    return False


def report_off() -> None:
    """Log once which sources are off, and what each lacks."""
    for name, mode in source_modes().items():
        if mode != "on":
            log.info("%s: %s, because %s is empty", name, mode, missing(name))


def main() -> ExitCode:
    """DONE after a stop, USAGE when every source is off, REFUSED when another process collects one."""
    configure_logging()
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log addresses, which may hold keys
    modes = active_sources()
    report_off()
    if not modes:
        print("every source is off: nothing to collect", file=sys.stderr)
        return ExitCode.USAGE
    try:
        asyncio.run(collect(modes))
    except Refused as refusal:
        print(f"the collectors do not start: {refusal}", file=sys.stderr)
        return ExitCode.REFUSED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
