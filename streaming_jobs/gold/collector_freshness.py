"""silver -> gold.collector_freshness: counts and newest events of polled sources, from new batches alone.

A silence of a source that was stated and ended is kept in gold.silences.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import read_rows, shaped
from streaming_jobs.gold.contract_sql import SqlJob
from streaming_jobs.gold.driver import QUARANTINE, Change, News
from streaming_jobs.gold.silent_series import ENDED, ended_silences

TABLE = "gold.collector_freshness"
KIND = "collector"  # of the series in gold.silences
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
        before = as_series(read_rows(TABLE))
        for change in super().compute(news):
            after = as_series(shaped(change.rows, self.contract))
            if ended_silences(before, after, {}, news.upto):
                yield from new_silences(ended_silences(before, after, first_batches(news), news.upto))
            yield change


def as_series(sources: pa.Table) -> list[Row]:
    """Rows of the table as those of series that fall silent."""
    return [
        {
            **row,
            "series_kind": KIND,
            "series_id": row["collector"],
            "replayed": False,
            "last_event_time": row["last_event_time"] or row["last_received_at"],
        }
        for row in sources.to_pylist()
    ]


def first_batches(news: News) -> dict[tuple[str, str], datetime]:
    """Kind and name of a source -> time of the batch with its first accepted event."""
    first: dict[tuple[str, str], datetime] = {}
    for table in contracts()[TABLE].reads:
        if table != QUARANTINE:
            rows = news.of(table).to_table(columns=["source", "ingested_at"])
            for row in rows.group_by("source").aggregate([("ingested_at", "min")]).to_pylist():
                key = (KIND, row["source"].removeprefix("collector:"))
                first[key] = min(row["ingested_at_min"], first.get(key, row["ingested_at_min"]))
    return first


def new_silences(ended: list[Row]) -> Iterator[Change]:
    """The silences that are not in gold.silences."""
    written = {tuple(row[name] for name in SILENCE) for row in read_rows(ENDED).to_pylist()}
    new = [row for row in ended if tuple(row[name] for name in SILENCE) not in written]
    if new:
        yield Change(ENDED, new, is_added=True, is_part=True)


JOB = CollectorFreshness
