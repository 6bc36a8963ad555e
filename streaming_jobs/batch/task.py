"""What a task does with records of a batch: it judges them with the memory of their places, and writes files.

It runs in a Python worker of a Spark executor, or in the process of the embedded engine. The driver commits
what it returns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from conf.runtime.failpoints import failpoint
from lakehouse.bronze.events import JUDGED, events, with_identity
from lakehouse.bronze.records import RECORDS
from lakehouse.contracts.contract import kinds
from lakehouse.io.delta_files import WrittenFile, write_files
from lakehouse.io.memory import release_memory
from lakehouse.signatures import SigningKeys
from streaming_jobs.batch.counts import KindCounts, counts_of
from streaming_jobs.batch.folded_gold import rows_to_fold
from streaming_jobs.batch.judge import Judge, accepted_rows
from streaming_jobs.batch.kind_result import KindResult, Resubmission
from streaming_jobs.batch.place import Place, by_kind, places_of
from streaming_jobs.batch.place_memory import Memories
from streaming_jobs.batch.row_outcomes import quarantine_rows, silver_rows

# May change the verdicts of a result before they are written.
Settle = Callable[[KindResult, Judge], None]
MANY_EVENTS = 2000  # fewer leave little memory to give back, which takes milliseconds
NO_RECORDS = RECORDS.empty_table()
NO_KEYS = SigningKeys(())


@dataclass(frozen=True)
class BatchTask:
    """What tasks know of a batch; small, as it goes to each of them."""

    run: str  # of the stream, from its start to its end
    owner: Mapping[str, str]  # see `Memories`
    # Of the batch, by the driver: never by the clock of an executor. Of several that are judged again in one
    # task none has decisions.
    times: tuple[datetime, ...]
    last: datetime | None  # of the batch before
    newest: Mapping[Place, datetime]  # of the newest batch with events of a place, where that is known
    resubmissions: Mapping[Place, Sequence[Resubmission]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)  # knobs of the driver
    is_durable: bool = False  # files are on the disk when a task returns
    is_again: bool = False  # records are rows of bronze

    @property
    def time(self) -> datetime:
        """Of the newest batch."""
        return self.times[-1]

    def arrived(self, records: pa.Table) -> pa.Table:
        """The records as JUDGED."""
        if not self.is_again:
            return events(records, self.time)
        return with_identity(records) if records.num_rows else JUDGED.empty_table()


@dataclass(frozen=True)
class Written:
    """What a task wrote of the events of one kind, for the driver."""

    places: tuple[Place, ...]
    files: Mapping[str, Sequence[WrittenFile]]  # by table, committed by the driver
    to_fold: Mapping[str, pa.Table]  # see `rows_to_fold`
    counts: Mapping[datetime, KindCounts]  # by batch
    # (kind, partition, offset) of a resubmitted event -> whether it landed in silver.
    landed: Mapping[tuple[str, int, int], bool]


class RunState:
    """What this process keeps from batch to batch of a run of the stream."""

    def __init__(self, owner: Mapping[str, str], keys: SigningKeys) -> None:
        """`owner`: see `Memories`; `keys`: of signed kinds, where these are judged here."""
        self.memories = Memories(dict(owner))
        self._keys = keys
        self._judges: dict[str, Judge] = {}

    def judge(self, kind: str) -> Judge:
        """The judge of a kind."""
        if kind not in self._judges:
            self._judges[kind] = Judge(kind, self._keys)
        return self._judges[kind]


_runs: dict[str, RunState] = {}  # of the newest run in this process


def state_of(task: BatchTask, keys: SigningKeys = NO_KEYS) -> RunState:
    """The state of this process for the run of the task; that of an earlier run is forgotten."""
    if task.run not in _runs:
        _runs.clear()
        _runs[task.run] = RunState(task.owner, keys)
    return _runs[task.run]


def judge_records(task: BatchTask, records: pa.Table) -> list[Written]:
    """Judge and write the records of some places, of all events of these in the batch."""
    written = [judge_kind(task, kind, part, places_of(part)) for kind, part in by_kind(records).items()]
    if records.num_rows > MANY_EVENTS:
        release_memory()
    return written


def judge_kind(
    task: BatchTask,
    kind: str,
    records: pa.Table,
    places: Sequence[Place],
    settle: Settle | None = None,
) -> Written:
    """Judge and write the records of one kind, and what decisions resubmit at these places."""
    state = state_of(task)
    judge = state.judge(kind)
    held = {
        place: state.memories.take(place, task.last, task.newest.get(place, task.last), task.times[0])
        for place in places
    }
    bronze = task.arrived(records)
    known = {place: memory.known for place, memory in held.items()}
    resubmissions = [event for place in places for event in task.resubmissions.get(place, ())]
    result = judge.judge(bronze, known, resubmissions)
    if settle:
        settle(result, judge)
    written = write_outcomes(task, tuple(places), bronze, judge, result)
    failpoint("task.after_write")
    for memory in held.values():
        state.memories.keep(memory, task.time)
    return written


def write_outcomes(
    task: BatchTask, places: tuple[Place, ...], bronze: pa.Table, judge: Judge, result: KindResult
) -> Written:
    """Write the files of a result. `bronze`: the events that arrived."""
    rows = outcome_rows(judge, result)
    if not task.is_again:
        rows["bronze.events"] = bronze
    files = {
        table: write_files(table, of_table, task.is_durable)
        for table, of_table in rows.items()
        if of_table.num_rows
    }
    return Written(
        places,
        files,
        {} if task.is_again else rows_to_fold(kinds()[judge.kind].table, accepted_rows(result)),
        dict(counts_by_batch(task, judge, result)),
        landed_of(result),
    )


def counts_by_batch(
    task: BatchTask, judge: Judge, result: KindResult
) -> Iterator[tuple[datetime, KindCounts]]:
    """Counts of each batch that has any of the events."""
    if len(task.times) == 1:
        yield task.time, counts_of(result, judge.rules)
        return
    for time in task.times:
        counts = counts_of(result.of_batch(time), judge.rules)
        if counts.rows_in:
            yield time, counts


def landed_of(result: KindResult) -> dict[tuple[str, int, int], bool]:
    """(kind, partition, offset) of each resubmitted event -> whether it lands in silver."""
    accepted = result.accepted
    return {
        (result.kind, event.partition, event.offset): bool(accepted[row])
        for row, event in result.resubmitted.items()
    }


def outcome_rows(judge: Judge, result: KindResult) -> dict[str, pa.Table]:
    """Rows of silver and quarantine, by table; without tables to which the result adds none."""
    rows = {}
    if result.accepted.any():
        rows[kinds()[judge.kind].table] = silver_rows(result, judge.rules)
    if result.judgement and result.judgement.verdicts is not None:
        rows["silver.price_verdicts"] = result.judgement.verdicts
    if result.refused.any():
        rows["silver.quarantine"] = quarantine_rows(result, judge.rules, judge.rule_set)
    return rows
