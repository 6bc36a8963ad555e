"""silver -> gold.collector_freshness: counts and newest events of polled sources, from new batches alone.

A silence of a source that was stated and ended is kept in gold.silences.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import read_rows, shaped
from streaming_jobs.gold.contract_sql import SqlJob
from streaming_jobs.gold.driver import QUARANTINE, Change, News

TABLE = "gold.collector_freshness"
ENDED = "gold.silences"
SILENCE = ("series_kind", "series_id", "last_event_time")  # what identifies a silence
Row = dict[str, Any]


class CollectorFreshness(SqlJob):
    """Adds what finished batches brought, and compares each source's newest event with the newest batch.

    Killed between two commits, the next round ends the same silences, which are written once.
    """

    def __init__(self) -> None:
        super().__init__(TABLE)

    def compute(self, news: News) -> Iterator[Change]:
        """The silences that are over, then all rows."""
        before = read_rows(TABLE).to_pylist()
        for change in super().compute(news):
            after = shaped(change.rows, self.contract).to_pylist()
            lasting = {silence_key(row) for row in after if row["silent"]}
            if any(row["silent"] and silence_key(row) not in lasting for row in before):
                yield from new_silences(ended_silences(before, after, first_batches(news), news.upto))
            yield change


def first_batches(news: News) -> dict[str, datetime]:
    """Source -> time of the batch with its first accepted event."""
    first: dict[str, datetime] = {}
    for table in contracts()[TABLE].reads:
        if table != QUARANTINE:
            rows = news.of(table).to_table(columns=["source", "ingested_at"])
            for row in rows.group_by("source").aggregate([("ingested_at", "min")]).to_pylist():
                name = row["source"].removeprefix("collector:")
                first[name] = min(row["ingested_at_min"], first.get(name, row["ingested_at_min"]))
    return first


def ended_silences(
    before: Iterable[Row], after: Iterable[Row], ended_at: Mapping[str, datetime], upto: datetime
) -> list[Row]:
    """Rows of gold.silences: sources that were silent `before` and are not so any more `after`.

    `ended_at`: time of the batch that ended the silence of a source; without one it is `upto`.
    """
    lasting = {silence_key(row) for row in after if row["silent"]}
    return [
        {
            **dict(zip(SILENCE, silence_key(row), strict=True)),
            "since": row["since"],
            "ended_at": ended_at.get(row["collector"], upto),
        }
        for row in before
        if row["silent"] and silence_key(row) not in lasting
    ]


def silence_key(row: Row) -> tuple[str, str, datetime]:
    """What identifies a silence: the source and its last event."""
    return "collector", row["collector"], row["last_event_time"] or row["last_received_at"]


def new_silences(ended: list[Row]) -> Iterator[Change]:
    """The silences that are not in gold.silences."""
    written = {tuple(row[name] for name in SILENCE) for row in read_rows(ENDED).to_pylist()}
    new = [row for row in ended if tuple(row[name] for name in SILENCE) not in written]
    if new:
        yield Change(ENDED, new, is_added=True, is_part=True)


JOB = CollectorFreshness
