"""silver.sensors, silver.prices -> gold.silent_series: series that fell silent against their own rhythm.

A silence that was stated and ended is kept in gold.silences.

The clock is the newest batch of the lake, not the wall clock. When nothing at all arrives, the pipeline is
silent, which `status` shows, and no device is blamed; and the same lake gives the same rows tomorrow. Series
that a file replays are compared with the end of the same file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import high_water_mark, open_table
from lakehouse.io.query import run_contract_sql, run_sql, sql_of
from lakehouse.paths import view_name
from streaming_jobs.batch.batch_time import chunks
from streaming_jobs.gold.contract_sql import given_views
from streaming_jobs.gold.driver import BatchJob, Change, News

TABLE = "gold.silent_series"
ENDED = "gold.silences"
WINDOW = timedelta(days=28)
EVENTS_AT_ONCE = 500_000  # rows that rhythms are learned from together, about: bounds memory
SeriesId = tuple[str, bool]  # series id, replayed
Row = dict[str, Any]


@dataclass(frozen=True)
class SeriesTable:
    """A silver table, the kind of its series, and the column with the series' id."""

    table: str
    series_kind: str
    series_id: str


SOURCES = (
    SeriesTable("silver.sensors", "device", "device_id_hash"),
    SeriesTable("silver.prices", "market", "market_id"),
)
# New rows by series; the last event is chosen as the contract's SQL chooses it.
NEWS_SQL = """
  select {series_id} as series_id, starts_with(source, 'file:') as replayed, count(*) as events,
    min(event_time) as first_event_time, min(ingested_at) as reported_at,
    max({{'last_event_time': event_time,
          'clock_of': case when starts_with(source, 'file:') then regexp_replace(source, '#[^#]*$', '')
                      else 'live' end,
          'region_code': region_code}}) as newest
  from new_rows group by all
"""


class SilentSeries(BatchJob):
    """Reads new rows in each round, and the 28 days before only of series whose rhythm they can change.

    That is about once a day for each series.
    """

    name = "silent_series"
    tables = (TABLE,)

    def compute(self, news: News) -> Iterator[Change]:
        """All rows, and the silences that the batches ended."""
        upto = news.upto
        current = open_table(TABLE).to_pyarrow_table().to_pylist()
        rows: list[Row] = []
        reported: dict[tuple[str, str], datetime] = {}
        for source in SOURCES:
            sql = NEWS_SQL.format(series_id=source.series_id)
            by_series = run_sql(sql, {"new_rows": news.of(source.table)}).to_pylist()
            rows += self._refreshed(source, current, by_series, upto)
            reported |= {
                (source.series_kind, row["series_id"]): row["reported_at"]
                for row in by_series
                if not row["replayed"]
            }
        table = with_clocks({}, rows, upto)
        written = high_water_mark(ENDED)  # of a round that was killed after it
        silences = ended_silences(current, table.to_pylist(), reported, upto)
        if ended := [row for row in silences if row["ended_at"] > written]:
            yield Change(ENDED, ended, is_added=True, is_part=True, upto=upto)
        yield Change(TABLE, table)

    @staticmethod
    def _refreshed(source: SeriesTable, current: list[Row], news: list[Row], upto: datetime) -> list[Row]:
        """The rows of the table's series: those that changed are learned again, the others kept."""
        known = {
            (row["series_id"], row["replayed"]): row
            for row in current
            if row["series_kind"] == source.series_kind
        }
        events = {key: row["events_28d"] for key, row in known.items()}
        changed = _advance(known, news)
        for row in news:
            key = (row["series_id"], row["replayed"])
            events[key] = events.get(key, 0) + row["events"]
        rows = [row for key, row in known.items() if key not in changed]
        counts = ((key, events[key], 0) for key in changed)
        for group in chunks(counts, EVENTS_AT_ONCE):
            lasts = {key: changed[key] for key in group}
            updated = with_clocks({source.table: _history(source, lasts, upto)}, [], upto).to_pylist()
            rows += [row for row in updated if (row["series_id"], row["replayed"]) in lasts]
        return rows


def with_clocks(history: dict[str, pa.Table], current: list[Row], upto: datetime) -> pa.Table:
    """The contract's SQL: rhythms learned from the history, and the current ones, all against the clocks."""
    contract = contracts()[TABLE]
    views = given_views(sql_of(contract), upto)
    for source in SOURCES:
        empty = arrow_schema(contracts()[source.table]).empty_table()
        views[view_name(source.table)] = history.get(source.table, empty)
    views[view_name(TABLE)] = pa.Table.from_pylist(current, schema=arrow_schema(contract))
    return run_contract_sql(contract, views)


def ended_silences(
    before: list[Row], after: list[Row], reported: dict[tuple[str, str], datetime], upto: datetime
) -> list[Row]:
    """Rows of gold.silences: live series that were silent `before` and are not so any more `after`.

    `reported`: series kind and id -> time of the batch with its next event; without one it is `upto`.
    """
    lasting = {silence_key(row) for row in after if row["silent"]}
    return [
        row | {"ended_at": reported.get((row["series_kind"], row["series_id"]), upto)}
        for row in before
        if row["silent"] and not row["replayed"] and silence_key(row) not in lasting
    ]


def silence_key(row: Row) -> tuple[Any, ...]:
    """What identifies a silence: the series and its last event."""
    return row["series_kind"], row["series_id"], row["replayed"], row["last_event_time"]


def _advance(current: dict[SeriesId, Row], news: list[Row]) -> dict[SeriesId, datetime]:
    """Series to learn again -> their last event time; the last event of the others is moved on in `current`.

    A rhythm holds while its closed days do: until an event of another day arrives, or a late one of an
    earlier day. A rhythm that counts the last event's own day is learned again with every event.
    """
    changed = {}
    for row in news:
        key = (row["series_id"], row["replayed"])
        newest = row["newest"]
        known = current.get(key)
        if known is None:
            changed[key] = newest["last_event_time"]
            continue
        last = max(known["last_event_time"], newest["last_event_time"])
        day = start_of_day(known["last_event_time"])
        if known["provisional"] or start_of_day(last) != day or row["first_event_time"] < day:
            changed[key] = last
        else:
            current[key] = known | max(known, newest, key=order)
    return changed


def order(last: Row) -> tuple[Any, ...]:
    """The order by which the contract's SQL chooses the last event; an unknown region sorts last."""
    return last["last_event_time"], last["clock_of"], last["region_code"] is None, last["region_code"] or ""


def _history(source: SeriesTable, changed: dict[SeriesId, datetime], upto: datetime) -> pa.Table:
    """Rows with the ids of the changed series, replayed and live ones, in the days that these read."""
    ids = sorted({series_id for series_id, _ in changed})
    since = min(start_of_day(last) - WINDOW for last in changed.values())
    span = (pc.field("event_time") >= since) & (pc.field("event_time") <= max(changed.values()))
    of_series = pc.field(source.series_id).isin(ids) & (pc.field("ingested_at") <= upto)
    wanted = pc.field("market_month").isin(months(list(changed.values()))) & of_series & span
    columns = [source.series_id, "region_code", "source", "event_time"]
    return open_table(source.table).to_pyarrow_dataset().to_table(columns=columns, filter=wanted)


def months(lasts: list[datetime]) -> list[str]:
    """Partitions with the windows that end with these events. A market day may differ from UTC by one."""
    days = np.array([start_of_day(last).date() for last in lasts], dtype="datetime64[D]")
    read = days[:, np.newaxis] + np.arange(-WINDOW.days - 1, 2)
    named: list[str] = np.unique(read.astype("datetime64[M]")).astype(str).tolist()
    return named


def start_of_day(time: datetime) -> datetime:
    """Midnight UTC of the day."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


JOB = SilentSeries
