"""One micro-batch: judge, tell duplicates apart, append bronze, silver and quarantine side by side, fold gold, note the state."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.failpoints import failpoint
from conf.settings import settings
from lakehouse.contract import Contract, Rule, contracts, kinds, rule_set
from lakehouse.event import TOPIC_PREFIX
from lakehouse.quality import REASONS_TYPE, bit_of, mask_of, reason_sql
from lakehouse.silver.verdicts import READINGS, ROW, accepted_rows, judged, quarantine_rows, row_columns, rules_of
from streaming_jobs.delta_sink import BatchTag, append_arrow, append_frame, open_table, tags_of
from streaming_jobs.event_ids import CONFLICT, DUPLICATE, NEW, EventIds, batch_tag
from streaming_jobs.hot_gold import HotGold
from streaming_jobs.kafka_source import BatchOffsets, batch_offsets
from streaming_jobs.progress import Progress
from streaming_jobs.resolved_once import ResolvedOnce

log = logging.getLogger("lumbung.batch")
SEEN_TYPE = "partition int, offset bigint, conflict boolean"


@dataclass
class KindResult:
    """What became of the events of one kind in a batch."""

    kind: str
    frame: DataFrame  # judged, persisted
    narrow: pa.Table  # one row an event in Kafka order: partition, offset, event_id, payload_hash, mask, received_at, row
    verdict: np.ndarray  # NEW, DUPLICATE or CONFLICT
    mask: np.ndarray  # violated rules, conflict included
    errors: int  # bits of the error rules

    @property
    def accepted(self) -> np.ndarray:
        return (self.verdict == NEW) & ((self.mask & self.errors) == 0)

    @property
    def refused(self) -> np.ndarray:
        return (self.verdict != DUPLICATE) & ~self.accepted


class BatchWriter:
    """Called by Spark for every batch, in order, in one thread. An exception ends the query: a restart runs the batch again."""

    def __init__(self, spark: SparkSession, stream_id: str, ids: EventIds, progress: Progress) -> None:
        self._spark = spark
        self._stream_id = stream_id
        self._ids = ids
        self._progress = progress
        self._gold = HotGold()
        self._knobs = settings().validation.model_dump()
        self._rules = {kind: rules_of(kind, self._knobs) for kind in kinds()}
        self._judges = {kind: ResolvedOnce(spark, partial(judge_kind, kind=kind, knobs=self._knobs)) for kind in kinds()}
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="append")
        self._first = True  # only the first batch after a start can have been written in part

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """One batch. `frame`: rows of bronze.events."""
        began = time.monotonic()
        offsets = batch_offsets(batch_id)
        rows = offsets.rows
        if not rows:
            return
        tag = BatchTag(self._stream_id, batch_id, offsets.end)
        small = sum(rows.values()) <= settings().stream.small_batch_events
        bronze = frame.persist()
        results: list[KindResult] = []
        failpoint("stream.before_bronze")
        try:
            appends = [self._append(bronze, "bronze.events", tag, small)]
            present = [topic.removeprefix(TOPIC_PREFIX) for topic in rows]
            for kind in present:
                results.append(self._judge(bronze, kind, batch_id))
            for result in results:
                appends += self._append_silver(result, tag, small)
            appends += self._append_quarantine(results, tag, small)
            for append in appends:
                if append:
                    append.result()
            failpoint("stream.after_silver")
            self._gold.update(self._accepted(results), tag)
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

    # ------------------------------------------------------------------------------------------------- judging

    def _judge(self, bronze: DataFrame, kind: str, batch_id: int) -> KindResult:
        contract = kinds()[kind]
        frame = self._judges[kind](bronze).persist()
        wanted = [f"{ROW}.{name}" for name in self._gold_columns(contract)]
        narrow = frame.select(
            "partition", "offset", "event_id", F.xxhash64("text").alias("payload_hash"), "mask", "received_at", *wanted
        ).toArrow()
        narrow = narrow.sort_by([("partition", "ascending"), ("offset", "ascending")])
        ids, hashes = narrow["event_id"].to_pylist(), narrow["payload_hash"].to_pylist()
        verdict = np.array(self._ids.classify(kind, ids, hashes, batch_tag(self._stream_id, batch_id)), dtype=np.int8)
        rules = self._rules[kind]
        mask = narrow["mask"].to_numpy() | np.where(verdict == CONFLICT, bit_of(rules, "id_conflict"), 0)
        return KindResult(kind, frame, narrow, verdict, mask, mask_of(rules, "error"))

    @staticmethod
    def _gold_columns(contract: Contract) -> list[str]:
        """Columns of the silver row that the folded gold tables read; readings are taken apart later."""
        wanted = HotGold.wanted_columns(contract.table)
        return [name for name in row_columns(contract) if name in wanted or name == READINGS]

    # ------------------------------------------------------------------------------------------------- appends

    def _append(self, frame: DataFrame, table: str, tag: BatchTag, small: bool) -> Future[None] | None:
        """Append in a thread of its own, unless this batch has written the table before the process was killed."""
        if self._first and any((t["stream"], t["batch"]) == (tag.stream_id, tag.batch_id) for t in tags_of(table)):
            log.info("batch %d: %s was already written", tag.batch_id, table)
            return None
        return self._pool.submit(self._write, frame, table, tag, 1 if small else 2)

    @staticmethod
    def _write(frame: DataFrame, table: str, tag: BatchTag, files: int) -> None:
        append_frame(frame, table, tag, files)
        failpoint(f"stream.after_{table}")

    def _marked(self, result: KindResult) -> DataFrame:
        """The judged frame with `conflict`: true, false, or null for a new event; duplicates are left out."""
        seen = result.verdict != NEW
        if not seen.any():
            return result.frame.withColumn("conflict", F.lit(False))
        where = pc.filter(result.narrow.select(["partition", "offset"]), pa.array(seen))
        marks = where.append_column("conflict", pa.array(result.verdict[seen] == CONFLICT))
        known = self._spark.createDataFrame(marks.to_pandas(), SEEN_TYPE).withColumnRenamed("conflict", "seen_conflict")
        joined = result.frame.join(F.broadcast(known), ["partition", "offset"], "left")
        return joined.filter("seen_conflict is null or seen_conflict").withColumn(
            "conflict", F.coalesce("seen_conflict", F.lit(False))
        )

    def _append_silver(self, result: KindResult, tag: BatchTag, small: bool) -> list[Future[None] | None]:
        if not result.accepted.any():
            return []
        accepted = self._marked(result).filter("not conflict and reasons is null")
        return [self._append(accepted_rows(accepted, result.kind), kinds()[result.kind].table, tag, small)]

    def _append_quarantine(self, results: list[KindResult], tag: BatchTag, small: bool) -> list[Future[None] | None]:
        frames = []
        for result in (one for one in results if one.refused.any()):
            refused = self._marked(result).filter("conflict or reasons is not null")
            conflict = next(rule for rule in self._rules[result.kind] if rule.name == "id_conflict")
            refused = refused.withColumn("reasons", with_conflict(conflict))
            frames.append(quarantine_rows(refused, result.kind))
        if not frames:
            return []
        whole = frames[0]
        for other in frames[1:]:
            whole = whole.unionByName(other)
        return [self._append(whole, "silver.quarantine", tag, small)]

    # ------------------------------------------------------------------------------------------------- gold and counts

    def _accepted(self, results: list[KindResult]) -> dict[str, pa.Table]:
        """Silver table -> accepted rows with the columns that the folded gold tables read."""
        found = {}
        for result in results:
            rows = result.narrow.filter(pa.array(result.accepted))
            found[kinds()[result.kind].table] = explode_readings(rows) if "readings" in rows.column_names else rows
        return found

    def _count(self, results: list[KindResult], tag: BatchTag, offsets: BatchOffsets) -> None:
        quality, balance = contracts()["gold.data_quality"], contracts()["gold.balance"]
        written = self._first and any((t["stream"], t["batch"]) == (tag.stream_id, tag.batch_id) for t in tags_of("gold.balance"))
        if written:
            return
        if not (self._first and any(t["batch"] == tag.batch_id and t["stream"] == tag.stream_id for t in tags_of(quality.table))):
            append_arrow(pa.Table.from_pylist(self._quality_rows(results, tag)), quality, tag.text())
        names = ("bronze.events", "silver.quarantine", *(contract.table for contract in kinds().values()))
        versions = {name: open_table(name).version() for name in names}
        rows = [
            {
                "stream_id": tag.stream_id,
                "batch_id": tag.batch_id,
                "kind": result.kind,
                "rows_in": len(result.verdict),
                "silver": int(result.accepted.sum()),
                "quarantine": int(result.refused.sum()),
                "duplicates": int((result.verdict == DUPLICATE).sum()),
                "ingested_at": offsets.timestamp_ms * 1000,
            }
            for result in results
        ]
        append_arrow(pa.Table.from_pylist(rows), balance, tag.text(versions=versions))

    def _quality_rows(self, results: list[KindResult], tag: BatchTag) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for result in results:
            judged_events = result.verdict != DUPLICATE
            window = pc.min_max(result.narrow["received_at"])
            for bit, rule in enumerate(self._rules[result.kind]):
                rows.append(
                    {
                        "stream_id": tag.stream_id,
                        "batch_id": tag.batch_id,
                        "table": kinds()[result.kind].table,
                        "kind": result.kind,
                        "rule": rule.name,
                        "severity": rule.severity,
                        "evaluated": int(judged_events.sum()),
                        "violated": int(((result.mask & (1 << bit)) != 0)[judged_events].sum()),
                        "rule_set": rule_set(),
                        "window_start": window["min"].as_py(),
                        "window_end": window["max"].as_py(),
                    }
                )
        return rows

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


def judge_kind(bronze: DataFrame, kind: str, knobs: Mapping[str, object]) -> DataFrame:
    """The judged events of one kind in a batch."""
    return judged(bronze.filter(F.col("kind") == kind), kind, knobs)


def with_conflict(rule: Rule) -> Column:
    """`reasons` with the id conflict in front where there is one."""
    own = f"cast(array({reason_sql(rule)}) as {REASONS_TYPE})"
    others = f"coalesce(reasons, cast(array() as {REASONS_TYPE}))"
    return F.expr(f"if(conflict, concat({own}, {others}), reasons)")


def explode_readings(rows: pa.Table) -> pa.Table:
    """One row an event with `readings` -> one row a reading with `metric` and `value`."""
    readings = rows["readings"].combine_chunks()
    parents = pc.list_parent_indices(readings)
    flat = pc.list_flatten(readings)
    repeated = rows.drop_columns(["readings"]).take(parents)
    return repeated.append_column("metric", pc.struct_field(flat, "metric")).append_column(
        "value", pc.struct_field(flat, "value")
    )
