"""Background gold equals its recomputation from all rows, for any cut into batches, restart and set back."""

import random
from pathlib import Path

import pytest

from lakehouse.io.delta import empty_table, open_table
from tests.support.gold.batches import (
    Batches,
    Event,
    assert_equals_recomputation,
    by_table,
    cut,
    events_of,
    jobs_of,
)
from tests.support.gold.subject import Row
from tests.support.gold.subjects import SUBJECTS


@pytest.mark.parametrize("name", SUBJECTS)
def test_gold_equals_its_recomputation(lake: Path, name: str) -> None:
    """In batches; in one go it is computed after the sources were set back."""
    subject = SUBJECTS[name]
    rng = random.Random(2)
    rows = subject.rows(rng)
    batches = Batches()
    jobs = jobs_of(subject)
    refused: dict[str, list[Row]] = {table: [] for table in rows}  # a batch whose events were all refused
    for number, batch in enumerate((refused, *cut(rows, 4, rng, subject), refused)):
        batches.write(batch)
        is_half = number == 2
        if batch is refused or is_half:
            for job in jobs:
                job.refresh()
        if is_half or rng.random() < 0.3:
            jobs = jobs_of(subject)  # a restart
        for job in jobs:
            if rng.random() < 0.6:
                job.refresh()
    for job in jobs:
        job.refresh()
    assert_equals_recomputation(subject, list(rows), batches.newest)
    versions = {table: open_table(table).version() for table in subject.recomputed}
    for job in jobs:
        job.refresh()
    after = {table: open_table(table).version() for table in subject.recomputed}
    assert after == versions, "nothing new, nothing written"


@pytest.mark.parametrize("name", [name for name in SUBJECTS if not SUBJECTS[name].keeps_records])
def test_gold_begins_again_after_its_sources_were_set_back(lake: Path, name: str) -> None:
    subject = SUBJECTS[name]
    rng = random.Random(3)
    rows = subject.rows(rng)
    jobs = jobs_of(subject)
    parts = cut(rows, 2, rng, subject)
    batches = Batches()
    for batch in parts:
        batches.write(batch)
    for job in jobs:
        job.refresh()
    for table in (*rows, "gold.balance"):
        empty_table(table)
    batches.number = 0
    batches.write({table: [row for batch in parts for row in batch.get(table, [])] for table in rows})
    for job in jobs:
        job.refresh()
    assert_equals_recomputation(subject, list(rows), batches.newest)


@pytest.mark.parametrize("name", [name for name in SUBJECTS if not SUBJECTS[name].in_order])
def test_news_of_a_single_source_is_taken_up(lake: Path, name: str) -> None:
    """Most events at once, then the rest of one table after the other."""
    subject = SUBJECTS[name]
    rng = random.Random(4)
    rows = subject.rows(rng)
    jobs = jobs_of(subject)
    events = events_of(rows)
    rng.shuffle(events)
    most = 9 * len(events) // 10
    rest: dict[str, list[Event]] = {}
    for event in events[most:]:
        rest.setdefault(event[0][0], []).append(event)
    batches = Batches()
    batches.write(by_table(events[:most]))
    for job in jobs:
        job.refresh()
    for news in rest.values():
        batches.write(by_table(news))
        for job in jobs:
            job.refresh()
        assert_equals_recomputation(subject, list(rows), batches.newest)
