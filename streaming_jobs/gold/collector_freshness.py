"""silver -> gold.collector_freshness: counts and newest events of polled sources, from new batches alone.

A silence of a source that was stated and ended is kept in gold.silences.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from conf.collected_sources import collected_sources
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_rows, high_water_mark, read_rows, replace_rows
from lakehouse.io.query import run_contract_sql
from lakehouse.paths import view_name
from streaming_jobs.gold.finished_batches import newest_finished
from streaming_jobs.gold.sent_events import sent_events

TABLE = "gold.collector_freshness"
ENDED = "gold.silences"
SILENCE = ("series_kind", "series_id", "last_event_time")  # what identifies a silence
SENT_BY_COLLECTOR = "^collector:"
Row = dict[str, Any]


class CollectorFreshness:
    """Adds what finished batches brought, and compares each source's newest event with the newest batch."""

    name = "collector_freshness"

    def refresh(self) -> None:
        """Bring the table to the newest finished batch. Rows and high-water mark are one commit.

        Killed before it, the next round ends the same silences, which are written once.
        """
        mark = high_water_mark(TABLE)
        upto = newest_finished(mark)
        if upto is None:
            return
        contract = contracts()[TABLE]
        collected = pa.concat_tables(
            [sent_events(table, SENT_BY_COLLECTOR, mark, upto) for table in contract.reads]
        )
        before = read_rows(TABLE)
        views = {
            "collected": collected,
            view_name(TABLE): before,
            "limits": limits(),
            "clock": pa.table({"newest_batch": pa.array([upto], pa.timestamp("us", "UTC"))}),
        }
        rows = run_contract_sql(contract, views)
        keep_ended(ended_silences(before.to_pylist(), rows.to_pylist(), first_batches(collected), upto))
        replace_rows(TABLE, rows, upto=upto)


def first_batches(collected: pa.Table) -> dict[str, datetime]:
    """Source -> time of the batch with the first accepted one of these events."""
    accepted = collected.filter(collected["accepted"])
    first = accepted.group_by("source").aggregate([("batch_time", "min")]).to_pylist()
    return {row["source"].partition(":")[2]: row["batch_time_min"] for row in first}


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


def keep_ended(ended: list[Row]) -> None:
    """Append the silences that are not in gold.silences."""
    if not ended:
        return
    written = {tuple(row[name] for name in SILENCE) for row in read_rows(ENDED).to_pylist()}
    new = [row for row in ended if tuple(row[name] for name in SILENCE) not in written]
    if new:
        append_rows(ENDED, pa.Table.from_pylist(new, schema=arrow_schema(contracts()[ENDED])))


def limits() -> pa.Table:
    """Columns collector and fresh_hours, of every source that conf/collectors declares."""
    sources = collected_sources()
    return pa.table(
        {
            "collector": pa.array(sources, pa.string()),
            "fresh_hours": pa.array([about.fresh_hours for about in sources.values()], pa.float64()),
        }
    )


JOB = CollectorFreshness
