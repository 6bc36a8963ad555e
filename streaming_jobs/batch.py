"""One micro-batch: judge, append bronze, silver and quarantine side by side, fold gold, count, note the state."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from conf.failpoints import failpoint
from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import contracts, kinds
from lakehouse.event import kind_of_topic
from streaming_jobs.counts import balance_row, quality_rows
from streaming_jobs.delta_sink import BatchTag, append_arrow, append_frame, as_it_stands, tags_of
from streaming_jobs.event_ids import DUPLICATE, EventIds, batch_tag
from streaming_jobs.flows import HOT
from streaming_jobs.hot_gold import HotGold
from streaming_jobs.judging import Judge, KindResult, accepted_tables
from streaming_jobs.kafka_source import BatchOffsets, batch_offsets
from streaming_jobs.progress import Progress
from streaming_jobs.reviews import DECISION, Review, Reviews, review_rows

log = logging.getLogger("lumbung.batch")
Rows = DataFrame | pa.Table | Callable[[], DataFrame]  # making a Spark plan takes as long as running a small one


class BatchWriter:
    """Called by Spark for every batch, in order, in one thread. An exception ends the query: a restart runs the batch again."""

    def __init__(self, spark: SparkSession, stream_id: str, ids: EventIds, progress: Progress) -> None:
        self._stream_id = stream_id
        self._ids = ids
        self._progress = progress
        self._judge = Judge(spark, ids)
        self._reviews = Reviews()
        self._gold = HotGold()
        self._pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="append")
        self._first = True  # only the first batch after a start can have been written in part

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """One batch. `frame`: rows of bronze.events."""
        began = time.monotonic()
        offsets = batch_offsets(batch_id)
        if not offsets.rows:
            return
        if self._first:
            self._judge.remember(offsets.time)
            self._reviews.remember(offsets.time)
        tag = BatchTag(self._stream_id, batch_id, offsets.end)
        files = 1 if sum(offsets.rows.values()) <= settings().stream.small_batch_events else 2
        bronze = frame.persist()
        results: list[KindResult] = []
        failpoint("stream.before_bronze")
        try:
            appends = [self._append(bronze, "bronze.events", tag, files)]
            mark = batch_tag(self._stream_id, batch_id)
            present = list(dict.fromkeys(kind_of_topic(topic) for topic in offsets.rows))
            results, reviews = judge_all(self._judge, self._reviews, bronze, present, mark, offsets.time, self._pool.map)
            appends += self._append_verdicts(results, tag, files)
            for append in appends:
                if append:
                    append.result()
            failpoint("stream.after_silver")
            self._gold.update(accepted_tables(results), tag)
            failpoint("stream.after_gold")
            self._count(results, reviews, tag, offsets)
            failpoint("stream.before_state")
            self._ids.commit(self._stream_id, batch_id)
            failpoint("stream.after_state")
        finally:
            for result in results:
                result.frame.unpersist()
            bronze.unpersist()
        self._first = False
        self._note(results, tag, time.monotonic() - began)

    def _append_verdicts(self, results: list[KindResult], tag: BatchTag, files: int) -> list[Future[None] | None]:
        list(self._pool.map(self._judge.settled, results))
        appends = []
        for result in results:
            if result.accepted.any():
                appends.append(self._append(partial(self._judge.silver, result), kinds()[result.kind].table, tag, files))
            if result.judgement and result.judgement.verdicts is not None:
                appends.append(self._append(result.judgement.verdicts, "silver.price_verdicts", tag, files))
        if any(result.refused.any() for result in results):
            appends.append(self._append(partial(self._judge.quarantine, results), "silver.quarantine", tag, files))
        return appends

    def close(self) -> None:
        """Wait for appends that a failed batch has left under way."""
        self._pool.shutdown()

    def _append(self, rows: Rows, table: str, tag: BatchTag, files: int) -> Future[None] | None:
        """Append in a thread of its own, unless this batch has written the table before the process was killed."""
        if self._written(table, tag):
            log.info("batch %d: %s was already written", tag.batch_id, table)
            return None
        return self._pool.submit(self._write, rows, table, tag, files)

    def _written(self, table: str, tag: BatchTag) -> bool:
        return self._first and any((t["stream"], t["batch"]) == (tag.stream_id, tag.batch_id) for t in tags_of(table))

    @staticmethod
    def _write(rows: Rows, table: str, tag: BatchTag, files: int) -> None:
        made = rows() if callable(rows) else rows
        if isinstance(made, pa.Table):
            append_arrow(made, contracts()[table], tag.text())
        else:
            append_frame(made, table, tag, files)
        failpoint(f"stream.after_{table}")

    def _count(self, results: list[KindResult], reviews: list[Review], tag: BatchTag, offsets: BatchOffsets) -> None:
        """Counts last: a batch that is in gold.balance is done in every table."""
        judge = self._judge
        counted = {
            "gold.data_quality": [
                row for result in results for row in quality_rows(result, judge.rules[result.kind], judge.rule_set, tag)
            ],
            "gold.reviews": review_rows(reviews, results),
            "gold.balance": [balance_row(result, tag, offsets.time) for result in results],
        }
        for table, rows in counted.items():
            if rows and not self._written(table, tag):
                versions = {"versions": written_versions()} if table == "gold.balance" else {}
                append_arrow(rows_of(table, rows), contracts()[table], tag.text(**versions))
            failpoint(f"stream.after_{table}")

    def _note(self, results: list[KindResult], tag: BatchTag, seconds: float) -> None:
        counts = {
            "in": sum(int(result.arrived.sum()) for result in results),
            "silver": sum(int(result.accepted.sum()) for result in results),
            "quarantine": sum(int(result.refused.sum()) for result in results),
            "duplicates": sum(int((result.verdict == DUPLICATE).sum()) for result in results),
        }
        self._progress.note(
            counts,
            state="running",
            batch_id=tag.batch_id,
            batch_seconds=round(seconds, 3),
            batch_rows=counts["in"],
            positions=tag.offsets,
            oldest_received_at=min(oldest_of(result) for result in results if result.arrived.any()).isoformat(),
        )
        log.info("batch %d: %s in %.2f s", tag.batch_id, counts, seconds)


def judge_all(
    judge: Judge, reviews: Reviews, bronze: DataFrame, present: list[str], mark: bytes, time: datetime, apply: Any = map
) -> tuple[list[KindResult], list[Review]]:
    """One result a kind, and the decisions that count. Decisions come first: what they send round goes with its kind.

    `mark`: of the batch, see EventIds; `time`: the batch's; `apply`: map, or that of a thread pool.
    """
    results: list[KindResult] = []
    counted: list[Review] = []
    if DECISION in present:
        results.append(judge.judge(bronze, DECISION, mark))
        counted = reviews.resolve(results[0], judge.rules[DECISION], time)
    again = [entry for review in counted if (entry := review.reentry)]
    others = sorted({*present, *(entry.kind for entry in again)} - {DECISION})
    results += apply(lambda kind: judge.judge(bronze, kind, mark, again), others)
    return results, counted


def oldest_of(result: KindResult) -> datetime:
    """First receipt among what arrived."""
    oldest: datetime = pc.min(result.narrow["received_at"].filter(pa.array(result.arrived))).as_py()
    return oldest


def rows_of(table: str, rows: list[dict[str, object]]) -> pa.Table:
    """Rows made in Python with the table's own types: a column of nothing but nulls has none."""
    return pa.Table.from_pylist(rows, schema=arrow_schema(contracts()[table]))


def written_versions() -> dict[str, int]:
    """Versions of the tables that hold events, noted with the balance so that a table set back is noticed."""
    return {name: as_it_stands(name).version() for name in (*HOT.appends, "gold.reviews")}
