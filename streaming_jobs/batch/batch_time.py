"""The time of a batch, `ingested_at` of its rows: later than that of every batch before it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.io.delta import open_table

Batch = TypeVar("Batch")
STEP = timedelta(milliseconds=1)  # Spark's statistics of a file have this precision


def batch_time(clock: datetime, last: datetime | None) -> datetime:
    """`clock`, the time that the checkpoint notes; after a step back of the clock just later than `last`.

    Gold is brought up to date, and bronze judged again, by the order of these times.
    """
    return max(clock, last + STEP) if last else clock


def stepped_clock(time: datetime) -> datetime:
    """The time of the checkpoint by a clock with the steps of a test (LUMBUNG_CLOCK_STEPS).

    A function of that time alone, so that a retried batch gets the same.
    """
    file = settings().clock_steps
    if file is None or not file.exists():
        return time
    steps = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    seconds = sum(float(step) for at, step in steps if float(at) <= time.timestamp())
    return time + timedelta(seconds=seconds)


def newest_other_batch(stream_id: str, batch_id: int) -> datetime | None:
    """Time of the newest batch in gold.balance apart from this one; None without one.

    The balance is written last in a batch: a batch that is retried finds the same time again.
    """
    this = (pc.field("stream_id") == stream_id) & (pc.field("batch_id") == batch_id)
    others = open_table("gold.balance").to_pyarrow_dataset().to_table(columns=["ingested_at"], filter=~this)
    newest: datetime | None = pc.max(others["ingested_at"]).as_py()
    return newest


def chunks(counts: Iterable[tuple[Batch, int, int]], most: int) -> Iterator[list[Batch]]:
    """Batches in groups of about `most` events; a batch is never cut.

    `counts`: (batch or its time, events, decisions), oldest first. A batch with decisions is a group of its
    own: they are about what was in quarantine before it.
    """
    group: list[Batch] = []
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
