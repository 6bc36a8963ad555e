"""Events of a batch -> verdicts: rules by Spark, duplicates by the index, counts by NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.contract import Contract, Rule, kinds, rule_set
from lakehouse.quality import REASONS_TYPE, bit_of, mask_of, reason_sql
from lakehouse.silver.verdicts import READINGS, ROW, accepted_rows, judged, quarantine_rows, row_columns, rules_of
from streaming_jobs.delta_sink import BatchTag
from streaming_jobs.event_ids import CONFLICT, DUPLICATE, NEW, EventIds
from streaming_jobs.hot_gold import HotGold
from streaming_jobs.resolved_once import ResolvedOnce

PLACE = ("ingested_at", "partition", "offset")  # which record, among those of one kind; also the order of arrival


@dataclass
class KindResult:
    """What became of the events of one kind in a batch."""

    kind: str
    frame: DataFrame  # judged, persisted
    narrow: pa.Table  # one row an event in order of arrival: PLACE, event_id, payload_hash, mask, received_at, row
    verdict: np.ndarray  # NEW, DUPLICATE or CONFLICT
    mask: np.ndarray  # violated rules, conflict included
    errors: int  # bits of the error rules

    @property
    def accepted(self) -> np.ndarray:
        """Which events go to silver."""
        return (self.verdict == NEW) & ((self.mask & self.errors) == 0)

    @property
    def refused(self) -> np.ndarray:
        """Which events go to quarantine."""
        return (self.verdict != DUPLICATE) & ~self.accepted

    def taken_at(self, time: datetime) -> "KindResult":
        """The part that was taken up in the batch of that time."""
        chosen = pc.equal(self.narrow["ingested_at"], pa.scalar(time, self.narrow["ingested_at"].type))
        numbers = np.asarray(chosen)
        return replace(self, narrow=self.narrow.filter(chosen), verdict=self.verdict[numbers], mask=self.mask[numbers])


class Judge:
    """Judges frames of bronze rows, kind by kind; the index remembers which ids have landed."""

    def __init__(self, spark: SparkSession, ids: EventIds) -> None:
        self._spark, self._ids = spark, ids
        knobs = settings().validation.model_dump()
        self.rules = {kind: rules_of(kind, knobs) for kind in kinds()}
        self._judges = {kind: ResolvedOnce(spark, partial(judge_kind, kind=kind, knobs=knobs)) for kind in kinds()}

    def judge(self, bronze: DataFrame, kind: str, tag: bytes) -> KindResult:
        """Verdicts of one kind. `tag`: of the batch, so that its retry gives the same verdicts."""
        frame = self._judges[kind](bronze).persist()
        wanted = [f"{ROW}.{name}" for name in gold_columns(kinds()[kind])]
        narrow = frame.select(
            *PLACE, "event_id", F.xxhash64("text").alias("payload_hash"), "mask", "received_at", *wanted
        ).toArrow()
        narrow = narrow.sort_by([(name, "ascending") for name in PLACE])
        ids, hashes = narrow["event_id"].to_pylist(), narrow["payload_hash"].to_pylist()
        verdict = np.array(self._ids.classify(kind, ids, hashes, tag), dtype=np.int8)
        rules = self.rules[kind]
        mask = narrow["mask"].to_numpy() | np.where(verdict == CONFLICT, bit_of(rules, "id_conflict"), 0)
        return KindResult(kind, frame, narrow, verdict, mask, mask_of(rules, "error"))

    def _marked(self, result: KindResult) -> DataFrame:
        """The judged frame with `conflict`: whether the id was used with another payload; duplicates are left out."""
        seen = result.verdict != NEW
        if not seen.any():
            return result.frame.withColumn("conflict", F.lit(False))
        where = result.narrow.select(PLACE).filter(pa.array(seen))
        marks = where.append_column("seen_conflict", pa.array(result.verdict[seen] == CONFLICT))
        joined = result.frame.join(F.broadcast(self._spark.createDataFrame(marks)), list(PLACE), "left")
        return joined.filter("seen_conflict is null or seen_conflict").withColumn(
            "conflict", F.coalesce("seen_conflict", F.lit(False))
        )

    def silver(self, result: KindResult) -> DataFrame | None:
        """Accepted rows in the columns of the kind's table, None when there are none."""
        if not result.accepted.any():
            return None
        return accepted_rows(self._marked(result).filter("not conflict and reasons is null"), result.kind)

    def quarantine(self, results: list[KindResult]) -> DataFrame | None:
        """Refused rows of all kinds in the columns of silver.quarantine, None when there are none."""
        whole: DataFrame | None = None
        for result in (one for one in results if one.refused.any()):
            refused = self._marked(result).filter("conflict or reasons is not null")
            conflict = next(rule for rule in self.rules[result.kind] if rule.name == "id_conflict")
            rows = quarantine_rows(refused.withColumn("reasons", with_conflict(conflict)), result.kind)
            whole = rows if whole is None else whole.unionByName(rows)
        return whole

    def quality_rows(self, results: list[KindResult], tag: BatchTag) -> list[dict[str, object]]:
        """Rows of gold.data_quality: every rule of every kind in the batch, zeros included."""
        rows: list[dict[str, object]] = []
        for result in results:
            judged_events = result.verdict != DUPLICATE
            window = pc.min_max(result.narrow["received_at"])
            for bit, rule in enumerate(self.rules[result.kind]):
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


def balance_rows(results: list[KindResult], tag: BatchTag, time: datetime) -> list[dict[str, object]]:
    """Rows of gold.balance: what became of the batch's events, per kind."""
    return [
        {
            "stream_id": tag.stream_id,
            "batch_id": tag.batch_id,
            "kind": result.kind,
            "rows_in": len(result.verdict),
            "silver": int(result.accepted.sum()),
            "quarantine": int(result.refused.sum()),
            "duplicates": int((result.verdict == DUPLICATE).sum()),
            "ingested_at": time,
        }
        for result in results
    ]


def accepted_tables(results: list[KindResult]) -> dict[str, pa.Table]:
    """Silver table -> accepted rows with the columns that the folded gold tables read."""
    found = {}
    for result in results:
        rows = result.narrow.filter(pa.array(result.accepted))
        found[kinds()[result.kind].table] = explode_readings(rows) if READINGS in rows.column_names else rows
    return found


def gold_columns(contract: Contract) -> list[str]:
    """Columns of the silver row that the folded gold tables read; readings are taken apart later."""
    wanted = HotGold.wanted_columns(contract.table)
    return [name for name in row_columns(contract) if name in wanted or name == READINGS]


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
