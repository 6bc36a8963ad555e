"""One micro-batch: judge, append bronze, silver and quarantine, fold gold, count, write the status."""

import ctypes
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.runtime.failpoints import failpoint
from conf.settings import settings
from lakehouse.bronze.events import events
from lakehouse.contracts.contract import kinds
from lakehouse.io.checkpoint import batch_offsets
from lakehouse.io.delta import BatchTag, append_rows, tags_of, written_version
from lakehouse.io.signing_keys import signing_keys
from lakehouse.times import rfc3339
from streaming_jobs.batch.batch_time import batch_time, newest_other_batch, stepped_clock
from streaming_jobs.batch.counts import balance_row, quality_rows
from streaming_jobs.batch.decisions import DECISION, AppliedDecision, DecisionResolver, review_rows
from streaming_jobs.batch.event_index import DUPLICATE, EventIds
from streaming_jobs.batch.folded_gold import FoldedGold
from streaming_jobs.batch.judge import Judge, accepted_tables
from streaming_jobs.batch.kind_result import KindResult
from streaming_jobs.batch.validator_memory import (
    SavingPace,
    belongs_to,
    memory_file,
    read_memory,
    write_memory,
)
from streaming_jobs.flows import appended
from streaming_jobs.progress import StreamProgress

_LIBC = ctypes.CDLL(None, use_errno=True)


log = logging.getLogger("lumbung.batch")


def flush_to_disk(folder: str) -> None:
    """Return when everything that was written to the folder's file system is on the disk.

    Does nothing for a URL: an object store acknowledges what it has stored. Raises OSError.
    """
    if "://" in folder:
        return
    if not sys.platform.startswith("linux"):
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(descriptor)


class BatchWriter:
    """Called for each batch, in order, in one thread. An exception ends the stream; a restart retries it."""

    def __init__(self, stream_id: str, ids: EventIds, progress: StreamProgress) -> None:
        self._stream_id = stream_id
        self._ids = ids
        self._progress = progress
        self._judge = Judge(ids, signing_keys())
        self._decisions = DecisionResolver()
        self._gold = FoldedGold()
        self._pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="append")
        self._first = True  # only the first batch after a start may have been written in part
        self._last_time: datetime | None = None
        self._running = threading.Lock()  # held during a batch
        self._memory = SavingPace()
        # Time of the last batch, while the validators remember it and no later one.
        self._remembered: datetime | None = None

    def __call__(self, records: pa.Table, batch_id: int) -> None:
        """One batch, whose offsets the checkpoint holds. `records`: as lakehouse.bronze.records.RECORDS."""
        with self._running:
            self._write(records, batch_id)

    def _write(self, records: pa.Table, batch_id: int) -> None:
        began = time.monotonic()
        offsets = batch_offsets(batch_id)
        if not records.num_rows:  # its offsets are those of transactions
            self._ids.commit(self._stream_id, batch_id)
            return
        if self._first:
            self._last_time = newest_other_batch(self._stream_id, batch_id)
        time_of_batch = batch_time(stepped_clock(offsets.time), self._last_time)
        if time_of_batch != offsets.time:
            log.warning("the clock went back to %s: batch %d gets %s", offsets.time, batch_id, time_of_batch)
        bronze = events(records, time_of_batch)
        if self._first:
            self._load_validators(time_of_batch)
            self._decisions.load(time_of_batch)
        tag = BatchTag(self._stream_id, batch_id, offsets.end)
        failpoint("stream.before_bronze")
        appends = [self._append(lambda: bronze, "bronze.events", tag)]
        self._remembered = None
        present = pc.unique(bronze["kind"]).to_pylist()
        results, applied = judge_all(
            self._judge, self._decisions, bronze, present, time_of_batch, self._pool.map
        )
        appends += [self._append(make, table, tag) for table, make in rows_of(self._judge, results)]
        gold = self._gold.folded(accepted_tables(results))  # while silver is written
        for append in appends:
            if append:
                append.result()
        failpoint("stream.after_silver")
        self._gold.write(gold, tag)
        failpoint("stream.after_gold")
        self._flush()  # what the balance counts is on the disk before it
        self._count(results, applied, tag, time_of_batch)
        self._flush()
        failpoint("stream.before_state")
        self._ids.commit(self._stream_id, batch_id)
        failpoint("stream.after_state")
        self._first = False
        self._last_time = self._remembered = time_of_batch
        if self._memory.is_due:
            self._save_validators()
        self._report(results, tag, time.monotonic() - began)

    def _flush(self) -> None:
        if settings().lake.flush_batches:
            flush_to_disk(settings().lake_root)

    def _load_validators(self, time_of_batch: datetime) -> None:
        """From the file of the batch before, or from silver."""
        states = None
        if self._last_time:
            states = read_memory(memory_file(), belongs_to(self._last_time, self._judge.rule_set))
        if states is None:
            self._judge.load(time_of_batch)
        else:
            self._judge.restore(states)

    def _save_validators(self) -> None:
        """Into the file, once a batch; without it the next start reads silver."""
        if self._remembered is None:
            return
        owner = belongs_to(self._remembered, self._judge.rule_set)
        self._remembered = None
        began = time.monotonic()
        failpoint("stream.before_validators")
        try:
            write_memory(memory_file(), owner, self._judge.memory())
        except OSError as error:
            log.warning("what the validators remember was not saved (%s)", error)
        failpoint("stream.after_validators")
        self._memory.note(began)

    def close(self) -> None:
        """Save what the validators remember, unless a batch is under way or has failed.

        Waits for appends that a failed batch has left under way.
        """
        if self._running.acquire(blocking=False):
            try:
                self._save_validators()
            finally:
                self._running.release()
        self._pool.shutdown()

    def _append(self, make_rows: Callable[[], pa.Table], table: str, tag: BatchTag) -> Future[None] | None:
        """Make and append rows in a thread.

        None, and nothing written, when this batch wrote the table before the process was killed.
        """

        def run() -> None:
            append_rows(table, make_rows(), tag.text())
            failpoint(f"stream.after_{table}")

        if self._written(table, tag):
            log.info("batch %d: %s was already written", tag.batch_id, table)
            return None
        return self._pool.submit(run)

    def _written(self, table: str, tag: BatchTag) -> bool:
        return self._first and any(
            (other["stream"], other["batch"]) == (tag.stream_id, tag.batch_id) for other in tags_of(table)
        )

    def _count(
        self,
        results: list[KindResult],
        applied: list[AppliedDecision],
        tag: BatchTag,
        time_of_batch: datetime,
    ) -> None:
        """Counts are written last: a batch that is in gold.balance is done in every table."""
        judge = self._judge
        counted = {
            "gold.data_quality": [
                row
                for result in results
                for row in quality_rows(result, judge.rules[result.kind], judge.rule_set, tag)
            ],
            "gold.reviews": review_rows(applied, results),
            "gold.balance": [balance_row(result, tag, time_of_batch) for result in results],
        }
        append_counts(counted, tag, self._written)

    def _report(self, results: list[KindResult], tag: BatchTag, seconds: float) -> None:
        counts = {
            "in": sum(int(result.arrived.sum()) for result in results),
            "silver": sum(int(result.accepted.sum()) for result in results),
            "quarantine": sum(int(result.refused.sum()) for result in results),
            "duplicates": sum(int((result.verdict == DUPLICATE).sum()) for result in results),
        }
        self._progress.update(
            counts,
            state="running",
            batch_id=tag.batch_id,
            batch_seconds=round(seconds, 3),
            batch_rows=counts["in"],
            positions=tag.offsets,
            oldest_received_at=rfc3339(
                min(first_receipt(result) for result in results if result.arrived.any())
            ),
        )
        log.info("batch %d: %s in %.2f s", tag.batch_id, counts, seconds)


def judge_all(
    judge: Judge,
    decisions: DecisionResolver,
    bronze: pa.Table,
    present: Sequence[str],
    time: datetime,
    apply: Any = map,
) -> tuple[list[KindResult], list[AppliedDecision]]:
    """One result per kind, and the decisions that count. What these resubmit joins its kind.

    `present`: kinds with events in `bronze`; `time`: of the batch;
    `apply`: map, or that of a thread pool.
    """
    results: list[KindResult] = []
    applied: list[AppliedDecision] = []
    if DECISION in present:
        results.append(judge.judge(bronze, DECISION))
        applied = decisions.resolve(results[0], judge.rules[DECISION], time)
    resubmissions = [event for decision in applied if (event := decision.resubmission)]
    others = sorted({*present, *(event.kind for event in resubmissions)} - {DECISION})
    results += apply(lambda kind: judge.judge(bronze, kind, resubmissions), others)
    return results, applied


def rows_of(judge: Judge, results: list[KindResult]) -> Iterator[tuple[str, Callable[[], pa.Table]]]:
    """Silver tables to which the results add, each with a function that makes its rows."""
    for result in results:
        if result.accepted.any():
            yield kinds()[result.kind].table, partial(judge.silver, result)
        if result.judgement and result.judgement.verdicts is not None:
            yield "silver.price_verdicts", partial(getattr, result.judgement, "verdicts")
    if any(result.refused.any() for result in results):
        yield "silver.quarantine", partial(judge.quarantine, results)


def append_counts(
    counted: Mapping[str, list[dict[str, Any]]], tag: BatchTag, is_written: Callable[[str, BatchTag], bool]
) -> None:
    """Append rows by table, the balance last: its tag names the versions of what was written before it."""
    for table, rows in counted.items():
        if rows and not is_written(table, tag):
            versions = {"versions": written_versions()} if table == "gold.balance" else {}
            append_rows(table, rows, tag.text(**versions))
        failpoint(f"stream.after_{table}")


def first_receipt(result: KindResult) -> datetime:
    """Earliest `received_at` of the events that arrived."""
    oldest: datetime = pc.min(result.events["received_at"].filter(pa.array(result.arrived))).as_py()
    return oldest


def written_versions() -> dict[str, int]:
    """Versions of what a batch writes before the balance, kept with it: a table set back is noticed."""
    return {name: written_version(name) for name in (*appended(), "gold.reviews", "gold.data_quality")}
