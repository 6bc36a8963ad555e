"""The time of a batch, `ingested_at` of its rows: later than that of every batch before it."""

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from conf.settings import settings
from lakehouse.io.checkpoint import Batch
from lakehouse.io.delta import BatchTag, Positions

log = logging.getLogger("lumbung.batch")
Group = TypeVar("Group")
STEP = timedelta(milliseconds=1)  # Spark's statistics of a file have this precision


def next_batch(before: BatchTag, end: Positions) -> Batch:
    """The batch of the records from the batch before to `end`, at the time of now."""
    clock = datetime.now(UTC)
    clock = stepped_clock(clock.replace(microsecond=clock.microsecond // 1000 * 1000))
    time = batch_time(clock, before.time)
    number = before.batch_id + 1
    if time != clock:
        log.warning("the clock went back to %s: batch %d gets %s", clock, number, time)
    return Batch(before, BatchTag(before.stream_id, number, before.offsets | end, time))


def batch_time(clock: datetime, last: datetime | None) -> datetime:
    """`clock`; after a step back of the clock just later than `last`, the time of the batch before.

    Gold is brought up to date, and bronze judged again, by the order of these times.
    """
    return max(clock, last + STEP) if last else clock


def stepped_clock(time: datetime) -> datetime:
    """The time by a clock with the steps of a test (LUMBUNG_CLOCK_STEPS)."""
    file = settings().clock_steps
    if file is None or not file.exists():
        return time
    steps = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    seconds = sum(float(step) for at, step in steps if float(at) <= time.timestamp())
    return time + timedelta(seconds=seconds)


def chunks(counts: Iterable[tuple[Group, int, int]], most: int) -> Iterator[list[Group]]:
    """Batches in groups of about `most` events; a batch is never cut.

    `counts`: (batch or its time, events, decisions), oldest first. A batch with decisions is a group of its
    own: they are about what was in quarantine before it.
    """
    group: list[Group] = []
    size = 0
    for batch, count, decisions in counts:
        if group and (decisions or size + count > most):
            yield group
            group = []
            size = 0
        group.append(batch)
        size += count
        if decisions:
            size = most  # the next batch begins a group
    if group:
        yield group
