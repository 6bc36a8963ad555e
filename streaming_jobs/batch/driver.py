"""One micro-batch: tasks judge and write its files, the driver commits them, folds gold and counts."""

import ctypes
import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from conf.runtime.failpoints import failpoint
from conf.runtime.process import Refused
from conf.settings import knob_variables, settings
from lakehouse.contracts.contract import rule_set
from lakehouse.contracts.history_rules import signed_kinds
from lakehouse.event import TOPIC_PREFIX
from lakehouse.io.checkpoint import Batch, note_position
from lakehouse.io.delta import BatchTag, open_table, rebuilt_at, written_version
from lakehouse.io.delta_files import WrittenFile, append_batch, commit_files
from lakehouse.io.signing_keys import signing_keys
from lakehouse.signatures import SigningKeys
from lakehouse.times import rfc3339
from lakehouse.verdicts.rows import rules_of
from streaming_jobs.batch import kafka_source
from streaming_jobs.batch.counts import KindCounts, balance_row, counts_by_kind, quality_rows
from streaming_jobs.batch.decisions import DECISION, AppliedDecision, DecisionResolver, review_rows
from streaming_jobs.batch.folded_gold import FoldedGold
from streaming_jobs.batch.judge import Judge
from streaming_jobs.batch.kind_result import KindResult, Resubmission
from streaming_jobs.batch.place import Place, by_kind, kind_of_place, places_of
from streaming_jobs.batch.task import NO_RECORDS, BatchTask, Written, judge_kind, state_of
from streaming_jobs.flows import appended
from streaming_jobs.progress import StreamProgress

_LIBC = ctypes.CDLL(None, use_errno=True)


log = logging.getLogger("lumbung.batch")
BATCH_TURN = "batch"  # the lock of who writes the tables of the stream: a batch, or a rebuild between two


class BatchRecords(Protocol):
    """The records of a batch, as an engine has them; or of several in bronze."""

    def read(self, topics: Sequence[str]) -> pa.Table:
        """Those of some topics, as RECORDS, in this process."""

    def judged(self, task: BatchTask, without: Sequence[str]) -> list[Written]:
        """What tasks wrote of the records of all other topics."""


def topics_of_the_driver() -> list[str]:
    """Topics of signed kinds: messages of people and of the product, few, and checked with secret keys."""
    return [TOPIC_PREFIX + kind for kind in signed_kinds()]


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


class BatchDriver:
    """Called for each batch, in order, in one thread. An exception ends the stream; a restart retries it."""

    def __init__(self, stream_id: str, progress: StreamProgress) -> None:
        self._progress = progress
        self._keys = signing_keys()
        self._knobs = settings().rule_values()
        self._rule_set = rule_set(self._knobs)
        lake = str(open_table("bronze.events").metadata().id)
        self._owner = {"stream": stream_id, "lake": lake, "rules": self._rule_set}
        self._pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="commit")
        self._remember_nothing(rebuilt_at("gold.balance"))
        self._running = threading.Lock()  # held during a batch
        self._task: BatchTask | None = None  # of the last batch that was finished

    def __call__(self, records: BatchRecords, batch: Batch) -> None:
        """One batch; one that was interrupted has the tag of its commits."""
        with self._running:
            self._task = None
            self._task = self._write(records, batch)

    def _remember_nothing(self, rebuilt: int) -> None:
        """Begin as after a start: at first, and when a rebuild has exchanged rows."""
        self._rebuilt = rebuilt
        self._owner = {**self._owner, "rebuilt": str(rebuilt)}
        self._run = uuid.uuid4().hex
        self._decisions = DecisionResolver()
        self._gold = FoldedGold()
        self._first = True
        self._newest: dict[Place, datetime] = {}

    def _write(self, records: BatchRecords, batch: Batch) -> BatchTask | None:
        stages = Stages()
        if (rebuilt := rebuilt_at("gold.balance")) != self._rebuilt:
            log.info("silver was rebuilt: what is remembered is read again")
            self._remember_nothing(rebuilt)
        tag = batch.tag
        if message := kafka_source.other_partitions(batch.before.offsets, tag.offsets):
            raise Refused(message)
        task = self._task_of(batch)
        written, applied = judge_batch(records, task, batch.rows, self._decisions, self._keys)
        if not written:  # its offsets are those of transactions
            note_position(tag, written_versions())
            return None
        stages.end("tasks")
        failpoint("stream.before_bronze")
        self._commit(written, tag)
        stages.end("commit")
        failpoint("stream.after_silver")
        self._gold.update([part.to_fold for part in written], tag)
        stages.end("gold")
        failpoint("stream.after_gold")
        self._flush()  # what the balance counts is on the disk before it
        landed = {event: lands for part in written for event, lands in part.landed.items()}
        counts = counts_by_kind(part.counts[task.time] for part in written)
        self._count(counts, review_rows(applied, landed), tag, task.time)
        self._flush()
        stages.end("counts")
        failpoint("stream.after_counts")
        self._first = False
        self._newest |= dict.fromkeys([place for part in written for place in part.places], task.time)
        self._report(counts, tag, stages)
        return task

    def _task_of(self, batch: Batch) -> BatchTask:
        time = batch.tag.time
        if time is None:
            raise ValueError(f"batch {batch.tag.batch_id} has no time")
        if self._first:
            self._decisions.load(time)
        return BatchTask(
            self._run,
            self._owner,
            (time,),
            batch.before.time,
            self._newest,
            environment=knob_variables(),
            is_durable=settings().stream.on_cluster,
        )

    def _commit(self, written: Sequence[Written], tag: BatchTag) -> None:
        """One transaction a table, bronze first; a table that holds the batch is left as it is."""
        files = files_by_table(written)

        def commit(table: str) -> None:
            if not commit_files(table, files[table], tag):
                log.info("batch %d: %s was already written", tag.batch_id, table)
            failpoint(f"stream.after_{table}")

        commit("bronze.events")
        others = files.keys() - {"bronze.events"}
        for commit_of_table in [self._pool.submit(commit, table) for table in others]:
            commit_of_table.result()

    def _count(
        self, counts: Sequence[KindCounts], reviews: list[dict[str, Any]], tag: BatchTag, time: datetime
    ) -> None:
        """Counts are written last: a batch that is in gold.balance is done in every table."""
        quality = [
            row
            for of_kind in counts
            for row in quality_rows(of_kind, rules_of(of_kind.kind, self._knobs), self._rule_set, tag)
        ]
        balance = [balance_row(of_kind, tag, time) for of_kind in counts]
        append_counts(quality, reviews, balance, tag)

    def _flush(self) -> None:
        if settings().lake.flush_batches:
            flush_to_disk(settings().lake_root)

    def close(self) -> None:
        """Save what this process remembers, unless a batch is under way or has failed.

        Waits for commits that a failed batch has left under way.
        """
        if self._running.acquire(blocking=False):
            try:
                if self._task:
                    state_of(self._task).memories.save_all()
            finally:
                self._running.release()
        self._pool.shutdown()

    def _report(self, counts: Sequence[KindCounts], tag: BatchTag, stages: "Stages") -> None:
        sums = {
            "in": sum(kind.rows_in for kind in counts),
            "silver": sum(kind.silver for kind in counts),
            "quarantine": sum(kind.quarantine for kind in counts),
            "duplicates": sum(kind.duplicates for kind in counts),
        }
        self._progress.update(
            sums,
            state="running",
            batch_id=tag.batch_id,
            batch_seconds=round(stages.total, 3),
            batch_rows=sums["in"],
            positions=tag.offsets,
            oldest_received_at=rfc3339(min(door.first for kind in counts for door in kind.doors)),
        )
        log.info("batch %d: %s in %s", tag.batch_id, sums, stages)


class Stages:
    """Seconds of the stages of a batch, one after the other."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._began = self._last = time.monotonic()

    def end(self, stage: str) -> None:
        """The stage ends now, and the next one begins."""
        now = time.monotonic()
        self._seconds[stage] = now - self._last
        self._last = now

    @property
    def total(self) -> float:
        """Seconds from the begin to the end of the last stage."""
        return self._last - self._began

    def __str__(self) -> str:
        stages = ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in self._seconds.items())
        return f"{self.total:.2f} s ({stages})"


def judge_batch(
    records: BatchRecords,
    task: BatchTask,
    topics: Collection[str],
    resolver: DecisionResolver,
    keys: SigningKeys,
) -> tuple[list[Written], list[AppliedDecision]]:
    """What was written of every place, and the decisions that count. `topics`: those that have records.

    Decisions come first: what they resubmit is judged with the place that it came from.
    """
    state_of(task, keys)
    own = topics_of_the_driver()
    arrived = [topic for topic in own if topic in topics]
    parts = by_kind(records.read(arrived)) if arrived else {}
    applied: list[AppliedDecision] = []
    written: list[Written] = []

    def settle(result: KindResult, of_kind: Judge) -> None:
        applied.extend(resolver.resolve(result, of_kind.rules, task.time))

    if (part := parts.pop(DECISION, None)) is not None:
        written.append(judge_kind(task, DECISION, part, places_of(part), settle))
    resubmissions = by_their_place(applied)
    task = replace(task, resubmissions=resubmissions)
    written += [judge_kind(task, kind, part, places_of(part)) for kind, part in parts.items()]
    if set(topics) - set(own):
        written += records.judged(task, own)
    done = [place for part in written for place in part.places]
    if len(set(done)) < len(done):
        raise AssertionError(f"records of a partition came in several tasks: {sorted(done)}")
    for kind, places in without_records(resubmissions, done).items():
        written.append(judge_kind(task, kind, NO_RECORDS, places))
    return written, applied


def files_by_table(written: Iterable[Written]) -> dict[str, list[WrittenFile]]:
    """Files of all tasks."""
    files: dict[str, list[WrittenFile]] = {}
    for part in written:
        for table, of_table in part.files.items():
            files.setdefault(table, []).extend(of_table)
    return files


def without_records(resubmissions: Iterable[Place], done: Collection[Place]) -> dict[str, list[Place]]:
    """Kind -> places of resubmitted events that are not among those that are done."""
    kinds: dict[str, list[Place]] = {}
    for place in resubmissions:
        if place not in done:
            kinds.setdefault(kind_of_place(place), []).append(place)
    return kinds


def by_their_place(applied: Iterable[AppliedDecision]) -> dict[Place, list[Resubmission]]:
    """What decisions resubmit, by the place that the event came from. A decision is not resubmitted."""
    places: dict[Place, list[Resubmission]] = {}
    for decision in applied:
        event = decision.resubmission
        if event and event.kind != DECISION:
            places.setdefault(event.place, []).append(event)
    return places


def append_counts(
    quality: list[dict[str, Any]], reviews: list[dict[str, Any]], balance: list[dict[str, Any]], tag: BatchTag
) -> None:
    """Append the rows, the balance last: its tag names the versions of what was written before it."""
    for table, rows in (("gold.data_quality", quality), ("gold.reviews", reviews)):
        if rows:
            append_batch(table, rows, tag)
        failpoint(f"stream.after_{table}")
    append_batch("gold.balance", balance, tag, versions=written_versions())
    failpoint("stream.after_gold.balance")


def written_versions() -> dict[str, int]:
    """Versions of what a batch writes before the balance, kept with it: a table set back is noticed."""
    return {name: written_version(name) for name in (*appended(), "gold.reviews", "gold.data_quality")}
