"""One micro-batch: judge, append bronze, silver and quarantine side by side, fold gold, count, note the state."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from conf.failpoints import failpoint
from conf.settings import settings
from lakehouse.contract import contracts, kinds
from lakehouse.event import kind_of_topic
from streaming_jobs.delta_sink import BatchTag, append_arrow, append_frame, open_table, tags_of
from streaming_jobs.event_ids import EventIds, batch_tag
from streaming_jobs.flows import HOT
from streaming_jobs.hot_gold import HotGold
from streaming_jobs.judging import DUPLICATE, Judge, KindResult, accepted_tables, balance_rows
from streaming_jobs.kafka_source import BatchOffsets, batch_offsets
from streaming_jobs.progress import Progress

log = logging.getLogger("lumbung.batch")


class BatchWriter:
    """Called by Spark for every batch, in order, in one thread. An exception ends the query: a restart runs the batch again."""

    def __init__(self, spark: SparkSession, stream_id: str, ids: EventIds, progress: Progress) -> None:
        self._stream_id = stream_id
        self._ids = ids
        self._progress = progress
        self._judge = Judge(spark, ids)
        self._gold = HotGold()
        self._pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="append")
        self._first = True  # only the first batch after a start can have been written in part

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """One batch. `frame`: rows of bronze.events."""
        began = time.monotonic()
        offsets = batch_offsets(batch_id)
        if not offsets.rows:
            return
        tag = BatchTag(self._stream_id, batch_id, offsets.end)
        files = 1 if sum(offsets.rows.values()) <= settings().stream.small_batch_events else 2
        bronze = frame.persist()
        results: list[KindResult] = []
        failpoint("stream.before_bronze")
        try:
            appends = [self._append(bronze, "bronze.events", tag, files)]
            mark = batch_tag(self._stream_id, batch_id)
            present = list(dict.fromkeys(kind_of_topic(topic) for topic in offsets.rows))
            results += self._pool.map(lambda kind: self._judge.judge(bronze, kind, mark), present)
            for result in results:
                appends.append(self._append(self._judge.silver(result), kinds()[result.kind].table, tag, files))
            appends.append(self._append(self._judge.quarantine(results), "silver.quarantine", tag, files))
            for append in appends:
                if append:
                    append.result()
            failpoint("stream.after_silver")
            self._gold.update(accepted_tables(results), tag)
            failpoint("stream.after_gold")
            self._count(results, tag, offsets)
            failpoint("stream.before_state")
            self._ids.commit(self._stream_id, batch_id)
            failpoint("stream.after_state")
        finally:
            for result in results:
                result.frame.unpersist()
            bronze.unpersist()
        self._first = False
        self._note(results, tag, time.monotonic() - began)

    def close(self) -> None:
        """Wait for appends that a failed batch has left under way."""
        self._pool.shutdown()

    def _append(self, frame: DataFrame | None, table: str, tag: BatchTag, files: int) -> Future[None] | None:
        """Append in a thread of its own, unless this batch has written the table before the process was killed."""
        if frame is None:
            return None
        if self._written(table, tag):
            log.info("batch %d: %s was already written", tag.batch_id, table)
            return None
        return self._pool.submit(self._write, frame, table, tag, files)

    def _written(self, table: str, tag: BatchTag) -> bool:
        return self._first and any((t["stream"], t["batch"]) == (tag.stream_id, tag.batch_id) for t in tags_of(table))

    @staticmethod
    def _write(frame: DataFrame, table: str, tag: BatchTag, files: int) -> None:
        append_frame(frame, table, tag, files)
        failpoint(f"stream.after_{table}")

    def _count(self, results: list[KindResult], tag: BatchTag, offsets: BatchOffsets) -> None:
        """Counts last: a batch that is in gold.balance is done in every table."""
        time = datetime.fromtimestamp(offsets.timestamp_ms / 1000, UTC)
        if not self._written("gold.data_quality", tag):
            append_arrow(
                pa.Table.from_pylist(self._judge.quality_rows(results, tag)), contracts()["gold.data_quality"], tag.text()
            )
        if not self._written("gold.balance", tag):
            rows = pa.Table.from_pylist(balance_rows(results, tag, time))
            append_arrow(rows, contracts()["gold.balance"], tag.text(versions=written_versions()))

    def _note(self, results: list[KindResult], tag: BatchTag, seconds: float) -> None:
        counts = {
            "in": sum(len(result.verdict) for result in results),
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
            oldest_received_at=min(pc.min(result.narrow["received_at"]).as_py() for result in results).isoformat(),
        )
        log.info("batch %d: %s in %.2f s", tag.batch_id, counts, seconds)


def written_versions() -> dict[str, int]:
    """Versions of the tables that hold events, noted with the balance so that a table set back is noticed."""
    return {name: open_table(name).version() for name in HOT.appends}
