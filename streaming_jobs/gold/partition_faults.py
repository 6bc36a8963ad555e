"""bronze.events -> gold.partition_faults: what the memory of one partition cannot see.

Events that are compared share a partition, and each partition knows its own ids. A producer that chooses
partitions otherwise splits the history of a series, and an id that comes in two partitions lands twice.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.alerts.partition_alerts import QUIET
from lakehouse.event import DEAD_LETTERS, kind_of_topic, topics
from lakehouse.io.checkpoint import partition_counts
from lakehouse.io.delta import read_rows
from lakehouse.io.query import run_sql
from lakehouse.partitions import partition_for
from streaming_jobs.gold.driver import BatchJob, Change, News

log = logging.getLogger("lumbung.partition_faults")
TABLE = "gold.partition_faults"
BRONZE = "bronze.events"
MOST_NAMES = 5
# A check that took longer than a second is repeated after so many times as long: the ids of new events are
# looked up in all of bronze, which takes 0.25 s for a million rows.
PAUSE_SHARE = 50
FIRST = "%s: %d events with the fault %s, the first in partition %d instead of %d: %s"
LOGGED = ("kind", "events", "fault", "partition", "other_partition")
KEYS_SQL = "select distinct topic, key from new_rows where key <> ''"
# `landed`: bronze up to the newest batch. An id is a fault where it comes first in a further partition: what
# follows it there is a duplicate or a conflict, as the partition knows it. Of one batch the lower partition
# counts as the first.
FAULTS_SQL = """
  with named as (select distinct topic, event_id from new_rows
  ), firsts as (
    select topic, event_id as name, "partition", min(ingested_at) as seen_at,
      arg_min(source, ingested_at) as source
    from landed semi join named using (topic, event_id) group by topic, event_id, "partition"
  ), faults as (
    select 'event_id' as fault, *,
      first_value("partition") over (partition by topic, name order by seen_at, "partition")
        as other_partition
    from firsts qualify other_partition <> "partition" and seen_at > $after
    union all by name
    select 'key' as fault, topic, key as name, "partition", ingested_at as seen_at, source, other_partition
    from new_rows join expected using (topic, key) where "partition" <> other_partition
  ), by_name as (
    select topic, fault, name, count(*) as events, max(seen_at) as last_seen_at,
      min({'first_seen_at': seen_at, 'partition': "partition", 'other_partition': other_partition,
           'first_source': source}) as first
    from faults group by topic, fault, name
  )
  select topic, fault, cast(sum(events) as bigint) as events,
    list(name order by first.first_seen_at, name)[:$most] as names,
    unnest(min(first)), max(last_seen_at) as last_seen_at
  from by_name group by topic, fault order by topic, fault
"""
Row = dict[str, Any]


class PartitionFaults(BatchJob):
    """Reads the new rows of each round, and of all others topic, partition and id."""

    name = "partition_faults"
    tables = (TABLE,)

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._due = 0.0

    def changes(self) -> Iterator[Change]:
        """What the batches bring, unless the last check took so long that it is too early for the next."""
        began = self._clock()
        self.is_behind = began < self._due
        if self.is_behind:
            return
        yield from super().changes()
        seconds = self._clock() - began
        if seconds > 1:
            self._due = began + PAUSE_SHARE * seconds

    def compute(self, news: News) -> Iterator[Change]:
        """All rows with what the batches added.

        A fault is logged when it is the first of its kind, or the first after a week.
        """
        rows = {} if news.is_everything else by_fault(read_rows(TABLE).to_pylist())
        new = by_fault(faults(news))
        for fault, row in new.items():
            before = rows.get(fault)
            if before and row["first_seen_at"] < before["last_seen_at"] + QUIET:
                rows[fault] = added(before, row)
            else:
                rows[fault] = row
                log.warning(FIRST, *(row[name] for name in LOGGED), ascii(row["names"]))
        if new or news.is_everything:
            yield Change(TABLE, list(rows.values()))
        else:
            yield Change(TABLE, [], is_added=True)


def faults(news: News) -> list[Row]:
    """Rows of the table that the batches give by themselves."""
    own = pc.field("topic").isin([topic for topic in topics() if topic != DEAD_LETTERS])
    new_rows = news.of(BRONZE).filter(own)
    keys = run_sql(KEYS_SQL, {"new_rows": new_rows})
    landed = news.dataset(BRONZE).filter(own & (pc.field("ingested_at") <= news.upto))
    views = {"new_rows": new_rows, "landed": landed, "expected": expected(keys)}
    rows: list[Row] = run_sql(FAULTS_SQL, views, {"after": news.after, "most": MOST_NAMES}).to_pylist()
    for row in rows:
        row["kind"] = kind_of_topic(row.pop("topic"))
    return rows


def expected(keys: pa.Table) -> pa.Table:
    """The keys with the partition in which producers of Lumbung put each: `other_partition`."""
    counts = partition_counts()
    usual = settings().kafka.partitions
    pairs = zip(keys["topic"].to_pylist(), keys["key"].to_pylist(), strict=True)
    partitions = [partition_for(kind_of_topic(topic), key, counts.get(topic, usual)) for topic, key in pairs]
    return keys.append_column("other_partition", pa.array(partitions, pa.int32()))


def by_fault(rows: list[Row]) -> dict[tuple[str, str], Row]:
    """The rows by kind and fault."""
    return {(row["kind"], row["fault"]): row for row in rows}


def added(before: Row, new: Row) -> Row:
    """The row with what later batches add."""
    names = list(dict.fromkeys([*before["names"], *new["names"]]))[:MOST_NAMES]
    events = before["events"] + new["events"]
    return before | {"events": events, "names": names, "last_seen_at": new["last_seen_at"]}


JOB = PartitionFaults
