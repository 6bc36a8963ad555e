"""Rows of bronze that are judged again: which batches, which records, and ids that partitions share."""

from collections.abc import Callable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lakehouse.bronze.events import with_identity
from lakehouse.io.query import run_sql
from streaming_jobs.batch.decisions import DECISION
from streaming_jobs.batch.place import OLDER_TOPICS, Place, place_of
from streaming_jobs.batch.task import BatchTask, Written, judge_records

# Judges the rows of these topics, of the batches of a task, on executors.
Tasks = Callable[[BatchTask, Sequence[str]], list[Written]]


class BronzeRecords:
    """The rows of some batches in bronze; see `BatchRecords`."""

    def __init__(self, bronze: ds.Dataset, times: list[datetime], tasks: Tasks | None) -> None:
        """`tasks`: what judges those of unsigned kinds; None: this process."""
        self._times = times
        self._tasks = tasks
        self._rows = bronze.filter(of_batches(times))
        listed = run_sql("select distinct topic from rows", {"rows": self._rows})
        self.topics: list[str] = listed["topic"].to_pylist()

    def read(self, topics: Sequence[str]) -> pa.Table:
        """Those of some topics, as in bronze.events."""
        return self._rows.to_table(filter=pc.field("topic").isin(topics))

    def judged(self, task: BatchTask, without: Sequence[str]) -> list[Written]:
        """What was written of those of all other topics."""
        if self._tasks:
            return self._tasks(task, [topic for topic in self.topics if topic not in without])
        return judge_records(task, self._rows.to_table(filter=~pc.field("topic").isin(without)))


def ids_from_elsewhere(bronze: ds.Dataset) -> dict[Place, pa.Table]:
    """Place -> the events, as JUDGED, whose ids came there after they had come in another partition."""
    sql = """select topic, event_id, list(distinct partition) as partitions,
                    min({'time': ingested_at, 'partition': partition, 'offset': "offset"}) as first
             from rows group by topic, event_id having count(distinct partition) > 1"""
    repeated = run_sql(sql, {"rows": bronze}).to_pylist()
    repeated = [row for row in repeated if place_of(row["topic"], 0) != OLDER_TOPICS]
    if not repeated:
        return {}
    firsts = {(row["topic"], row["first"]["partition"], row["first"]["offset"]): row for row in repeated}
    wanted = pc.field("event_id").isin(row["event_id"] for row in repeated)
    rows = with_identity(bronze.to_table(filter=wanted))
    records = zip(*(rows[name].to_pylist() for name in ("topic", "partition", "offset")), strict=True)
    elsewhere: dict[Place, list[int]] = {}
    for nth, record in enumerate(records):
        for partition in firsts[record]["partitions"] if record in firsts else ():
            if partition != record[1]:
                elsewhere.setdefault((record[0], partition), []).append(nth)
    return {place: rows.take(numbers) for place, numbers in elsewhere.items()}


def of_batches(times: list[datetime]) -> pc.Expression:
    """Which rows belong to the batches of these times, ascending and without a gap."""
    return (pc.field("ingested_at") >= times[0]) & (pc.field("ingested_at") <= times[-1])


def counts_by_batch(bronze: ds.Dataset) -> list[tuple[datetime, int, int]]:
    """Batch time, events and decisions of each batch, oldest first."""
    sql = f"""select ingested_at, count(*) as events, count(*) filter (kind = '{DECISION}') as decisions
              from bronze group by ingested_at order by ingested_at"""
    rows = run_sql(sql, {"bronze": bronze}).to_pylist()
    return [(row["ingested_at"], row["events"], row["decisions"]) for row in rows]
