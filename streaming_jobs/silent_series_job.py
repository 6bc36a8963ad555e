"""silver.sensors, silver.prices -> gold.silent_series: who fell silent against the own rhythm.

The clock is the newest batch of the lake, not that of the wall: when nothing at all arrives it is the pipeline that is silent,
which `status` tells, and no device is accused; and the same lake gives the same answer tomorrow. What a file replays has no
present: its series are held against the end of the same file.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts
from lakehouse.paths import view_name
from streaming_jobs.delta_sink import open_table, overwrite_arrow, taken_up_to
from streaming_jobs.slow_gold import answer

TABLE = "gold.silent_series"
WINDOW = timedelta(days=28)
EVENTS_AT_ONCE = 500_000  # rows that are learned from together, about: bounds memory
Key = tuple[str, bool]  # (series id, replayed)


@dataclass(frozen=True)
class Source:
    """A silver table and the series that it tells of."""

    table: str
    series_kind: str
    series_id: str

    @property
    def columns(self) -> list[str]:
        return [self.series_id, "region_code", "source", "event_time"]


SOURCES = (Source("silver.sensors", "device", "device_id_hash"), Source("silver.prices", "market", "market_id"))
# What new rows say of each series; the last event as the contract's SQL has it.
NEWS = """
  select {series_id} as series_id, starts_with(source, 'file:') as replayed, count(*) as events,
    min(event_time) as first_event_time,
    max({{'last_event_time': event_time,
          'clock_of': case when starts_with(source, 'file:') then regexp_replace(source, '#[^#]*$', '') else 'live' end,
          'region_code': region_code}}) as newest
  from new_rows group by all
"""


class SilentSeries:
    """Reads new rows each round; the 28 days before only of series whose rhythm they can change: about once a day each."""

    name = "silent_series"

    def refresh(self) -> None:
        """Bring the table to the newest finished batch."""
        mark = taken_up_to(TABLE)
        finished = open_table("gold.balance").to_pyarrow_dataset()
        upto = pc.max(finished.to_table(columns=["ingested_at"], filter=pc.field("ingested_at") > mark)["ingested_at"]).as_py()
        if upto is None:
            return
        standing = open_table(TABLE).to_pyarrow_table().to_pylist()
        kept: list[dict[str, Any]] = []
        for source in SOURCES:
            of_kind = {(row["series_id"], row["replayed"]): row for row in standing if row["series_kind"] == source.series_kind}
            news = _news(source, mark, upto)
            changed = _advance(of_kind, news)
            kept += [row for key, row in of_kind.items() if key not in changed]
            events = {key: row["events_28d"] for key, row in of_kind.items()}
            for row in news:
                key = (row["series_id"], row["replayed"])
                events[key] = events.get(key, 0) + row["events"]
            for part in parts(changed, events):
                kept += judged({source.table: _history(source, part, upto)}, [], upto).to_pylist()
        overwrite_arrow(judged({}, kept, upto), contracts()[TABLE], "{}", upto=upto)


def judged(history: dict[str, pa.Table], standing: list[dict[str, Any]], upto: datetime) -> pa.Table:
    """The contract's SQL: rhythms learned from the history, beside those that stand, all against the clocks."""
    contract = contracts()[TABLE]
    views: dict[str, Any] = {"clock": pa.table({"newest_batch": pa.array([upto], pa.timestamp("us", "UTC"))})}
    for source in SOURCES:
        empty = arrow_schema(contracts()[source.table]).empty_table()
        views[view_name(source.table)] = history.get(source.table, empty)
    views[view_name(TABLE)] = pa.Table.from_pylist(standing, schema=arrow_schema(contract))
    return answer(contract, views)


def parts(changed: dict[Key, datetime], events: dict[Key, int]) -> list[dict[Key, datetime]]:
    """The series in groups with about EVENTS_AT_ONCE events each."""
    groups: list[dict[Key, datetime]] = []
    room = 0
    for key, last in changed.items():
        if room <= 0:
            groups.append({})
            room = EVENTS_AT_ONCE
        groups[-1][key] = last
        room -= events[key]
    return groups


def _news(source: Source, after: datetime, upto: datetime) -> list[dict[str, Any]]:
    """Per series what batches after `after`, up to `upto`, brought: first event time, newest event."""
    window = (pc.field("ingested_at") > after) & (pc.field("ingested_at") <= upto)
    scanner = open_table(source.table).to_pyarrow_dataset().scanner(columns=source.columns, filter=window)
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set timezone = 'UTC'")
        con.register("new_rows", scanner.to_reader())
        news: list[dict[str, Any]] = con.sql(NEWS.format(series_id=source.series_id)).to_arrow_table().to_pylist()
    return news


def _advance(standing: dict[Key, dict[str, Any]], news: list[dict[str, Any]]) -> dict[Key, datetime]:
    """Series to learn anew -> their last event; the others' last event is moved on in place.

    A rhythm stands while its closed days do: until an event of another day comes, or a late one of a day before. A rhythm that
    counts the last event's own day is learned anew with every event.
    """
    changed = {}
    for row in news:
        key, newest = (row["series_id"], row["replayed"]), row["newest"]
        known = standing.get(key)
        if known is None:
            changed[key] = newest["last_event_time"]
            continue
        last = max(known["last_event_time"], newest["last_event_time"])
        day = start_of_day(known["last_event_time"])
        if known["provisional"] or start_of_day(last) != day or row["first_event_time"] < day:
            changed[key] = last
        else:
            standing[key] = known | max((order(known), known), (order(newest), newest), key=lambda pair: pair[0])[1]
    return changed


def order(last: dict[str, Any]) -> tuple[Any, ...]:
    """The order of last events that the contract's SQL uses; an unknown region sorts last."""
    return last["last_event_time"], last["clock_of"], last["region_code"] is None, last["region_code"] or ""


def _history(source: Source, changed: dict[Key, datetime], upto: datetime) -> pa.Table:
    """Rows of the changed series within their 28 days and the last event's own, out of the months that hold them."""
    dataset = open_table(source.table).to_pyarrow_dataset()
    ids = sorted({series_id for series_id, _ in changed})
    since = min(start_of_day(last) - WINDOW for last in changed.values())
    span = (pc.field("event_time") >= since) & (pc.field("event_time") <= max(changed.values()))
    wanted = pc.field("market_month").isin(months(list(changed.values()))) & pc.field(source.series_id).isin(ids)
    rows = dataset.to_table(columns=source.columns, filter=wanted & span & (pc.field("ingested_at") <= upto))
    replayed = pc.starts_with(rows["source"], "file:")
    both = pc.binary_join_element_wise(rows[source.series_id], replayed.cast(pa.string()), "|")
    return rows.filter(pc.is_in(both, pa.array([f"{series_id}|{str(replay).lower()}" for series_id, replay in changed])))


def months(lasts: list[datetime]) -> list[str]:
    """Partitions that hold the windows that end with these events; a market's day may lie a day off UTC's."""
    days = {start_of_day(last) for last in lasts}
    spans = ((day - WINDOW - timedelta(days=1), day + timedelta(days=1)) for day in days)
    return sorted({f"{first + timedelta(days=n):%Y-%m}" for first, last in spans for n in range((last - first).days + 1)})


def start_of_day(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
