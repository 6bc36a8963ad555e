"""Events of a batch -> verdicts: row rules by Spark, duplicates by the index, what came before by the validators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contract import Contract, contracts, kinds, rule_set
from lakehouse.quality import bit_of, mask_of
from lakehouse.silver.verdicts import READINGS, ROW, accepted_rows, judged, quarantine_rows, row_columns, rules_of, settled
from lakehouse.validation import Judgement, Validator
from lakehouse.validation.registry import VALIDATORS
from streaming_jobs.delta_sink import open_table
from streaming_jobs.event_ids import CONFLICT, DUPLICATE, NEW, EventIds
from streaming_jobs.hot_gold import HotGold
from streaming_jobs.marks import PLACE, marks_of
from streaming_jobs.resolved_once import ResolvedOnce
from streaming_jobs.reviews import DECISION, Reentry


@dataclass
class KindResult:
    """What became of the events of one kind in a batch; those that a decision has sent round again are among them."""

    kind: str
    frame: DataFrame  # judged, persisted
    narrow: pa.Table  # one row an event in order of arrival: PLACE, event_id, payload_hash, mask, received_at, door, row
    verdict: np.ndarray  # NEW, DUPLICATE or CONFLICT
    mask: np.ndarray  # violated rules, those of the stream included, those that a person has let pass left out
    waived: np.ndarray  # violated rules that a person has let pass
    errors: int  # bits of the error rules
    reentries: dict[int, Reentry]  # row number -> how it came round again
    judgement: Judgement | None = None
    settled: DataFrame | None = None  # `frame` with where its rows land, once it has been asked for

    @property
    def accepted(self) -> np.ndarray:
        """Which events go to silver."""
        return (self.verdict == NEW) & ((self.mask & self.errors) == 0)

    @property
    def refused(self) -> np.ndarray:
        """Which events go to quarantine."""
        return (self.verdict != DUPLICATE) & ~self.accepted

    @property
    def arrived(self) -> np.ndarray:
        """Which events came from Kafka in this batch."""
        found = np.ones(self.narrow.num_rows, dtype=bool)
        found[list(self.reentries)] = False
        return found

    def taken_at(self, time: datetime) -> "KindResult":
        """The part that was taken up in the batch of that time. Not for batches with decisions."""
        chosen = pc.equal(self.narrow["ingested_at"], pa.scalar(time, self.narrow["ingested_at"].type))
        numbers = np.asarray(chosen)
        parts = {name: getattr(self, name)[numbers] for name in ("verdict", "mask", "waived")}
        return replace(self, narrow=self.narrow.filter(chosen), **parts)


class Judge:
    """Judges frames of bronze rows, kind by kind; index and validators remember what has landed."""

    def __init__(self, spark: SparkSession, ids: EventIds | None) -> None:
        """`ids` None: only what comes round again will be judged."""
        self._spark, self._ids = spark, ids
        knobs = settings().validation.model_dump()
        self.rules = {kind: rules_of(kind, knobs) for kind in kinds()}
        self.rule_set = rule_set(knobs)
        self._judges = {kind: ResolvedOnce(spark, partial(judge_kind, kind=kind, knobs=knobs)) for kind in kinds()}
        self._selected: dict[str, list[Column]] = {}
        self._validators: dict[str, Validator] = {kind: made(knobs) for kind, made in VALIDATORS.items()}

    def remember(self, before: datetime) -> None:
        """Let the validators take up what landed in batches before that time."""
        for kind, validator in self._validators.items():
            dataset = open_table(kinds()[kind].table).to_pyarrow_dataset()
            for batch in dataset.to_batches(columns=list(validator.columns), filter=pc.field("ingested_at") < before):
                validator.load(pa.Table.from_batches([batch]))

    def no_records(self) -> DataFrame:
        """Bronze without a row."""
        return self._spark.createDataFrame(arrow_schema(contracts()["bronze.events"]).empty_table())

    def judge(self, bronze: DataFrame, kind: str, tag: bytes, again: Sequence[Reentry] = ()) -> KindResult:
        """Verdicts of one kind. `tag`: of the batch, so that its retry judges alike; `again`: what decisions send round."""
        mine = [entry for entry in again if entry.kind == kind]
        if mine:
            bronze = bronze.filter(F.col("kind") == kind).unionByName(self._spark.createDataFrame(reentered(mine)))
        frame = self._judges[kind](bronze).persist()
        narrow = frame.select(*self._narrow(kind)).toArrow()
        narrow = narrow.sort_by([(name, "ascending") for name in PLACE])
        result = KindResult(kind, frame, narrow, *(np.empty(0),) * 3, mask_of(self.rules[kind], "error"), {})
        return self._by_history(self._by_index(result, mine, tag))

    def _narrow(self, kind: str) -> list[Column]:
        """What the driver reads of a judged frame; made once, for each column costs a few calls into the JVM."""
        if kind not in self._selected:
            names = [*PLACE, "event_id", "mask", "received_at", *(f"{ROW}.{name}" for name in self._columns(kinds()[kind]))]
            made = (F.xxhash64("text").alias("payload_hash"), F.substring_index("source", ":", 1).alias("door"))
            self._selected[kind] = [*map(F.col, names), *made]
        return self._selected[kind]

    def _columns(self, contract: Contract) -> list[str]:
        """Columns of the silver row that folded gold tables and the validator read; readings are taken apart later."""
        if contract.kind == DECISION:
            return row_columns(contract)
        validator = self._validators.get(contract.kind or "")
        wanted = HotGold.wanted_columns(contract.table) | set(validator.columns if validator else ())
        return [name for name in row_columns(contract) if name in wanted or name == READINGS]

    def _by_index(self, result: KindResult, again: Sequence[Reentry], tag: bytes) -> KindResult:
        """Duplicates and conflicts. What comes round again has been through the index; its conflict stays one."""
        narrow, rules = result.narrow, self.rules[result.kind]
        entries = {(entry.partition, entry.offset): entry for entry in again}
        coordinates = list(zip(narrow["partition"].to_pylist(), narrow["offset"].to_pylist(), strict=True)) if again else []
        result.reentries = {row: entries[place] for row, place in enumerate(coordinates) if place in entries}
        verdict = np.full(narrow.num_rows, NEW, dtype=np.int8)
        if self._ids is not None:
            known = narrow.filter(pa.array(result.arrived)) if again else narrow
            ids, hashes = known["event_id"].to_pylist(), known["payload_hash"].to_pylist()
            verdict[result.arrived if again else slice(None)] = self._ids.classify(result.kind, ids, hashes, tag)
        for row, entry in result.reentries.items():
            verdict[row] = CONFLICT if entry.conflict else NEW
        mask = narrow["mask"].to_numpy() | np.where(verdict == CONFLICT, bit_of(rules, "id_conflict"), 0)
        waived = np.zeros_like(mask)
        releasable = sum(1 << bit for bit, rule in enumerate(rules) if rule.releasable and rule.severity == "error")
        for row in (row for row, entry in result.reentries.items() if entry.released):
            waived[row] = mask[row] & releasable
        return replace(result, verdict=verdict, mask=mask & ~waived, waived=waived)

    def _by_history(self, result: KindResult) -> KindResult:
        """What the kind's validator says, with the rows that pass remembered by it."""
        validator = self._validators.get(result.kind)
        if validator is None or not result.narrow.num_rows:
            return result
        released = np.zeros(len(result.verdict), dtype=bool)
        released[[row for row, entry in result.reentries.items() if entry.released]] = True
        judgement = validator.judge(result.narrow, result.accepted, released & result.accepted)
        mask, waived = result.mask.copy(), result.waived.copy()
        for rule, flags in judgement.violated.items():
            bit = bit_of(self.rules[result.kind], rule)
            let_pass = released & flags & bool(bit & result.errors)
            mask |= np.where(flags & ~let_pass, bit, 0)
            waived |= np.where(let_pass, bit, 0)
        return replace(result, mask=mask, waived=waived, judgement=judgement)

    def settled(self, result: KindResult) -> DataFrame:
        """The judged frame, with where rows land if the row rules alone do not tell. Made once: then `silver` and `quarantine`,
        which share it, can be called side by side."""
        if result.settled is None:
            marks = marks_of(result, self.rules[result.kind])
            table = None if marks.table is None else self._spark.createDataFrame(marks.table)
            result.settled = settled(result.frame, table, PLACE, marks.usual)
        return result.settled

    def silver(self, result: KindResult) -> DataFrame:
        """Accepted rows in the columns of the kind's table."""
        return accepted_rows(self.settled(result), result.kind)

    def quarantine(self, results: list[KindResult]) -> DataFrame:
        """Refused rows of all kinds in the columns of silver.quarantine. Raises ValueError when there are none."""
        parts = [quarantine_rows(self.settled(one), one.kind, self.rule_set) for one in results if one.refused.any()]
        if not parts:
            raise ValueError("nothing was refused")
        return reduce(DataFrame.unionByName, parts)


def reentered(entries: Sequence[Reentry]) -> pa.Table:
    """What comes round again as rows of bronze.events."""
    return pa.concat_tables([entry.record for entry in entries])


def accepted_tables(results: list[KindResult]) -> dict[str, pa.Table]:
    """Silver table -> accepted rows with the columns that the folded gold tables read."""
    found = {}
    for result in results:
        rows = result.narrow.filter(pa.array(result.accepted))
        found[kinds()[result.kind].table] = explode_readings(rows) if READINGS in rows.column_names else rows
    return found


def judge_kind(bronze: DataFrame, kind: str, knobs: Mapping[str, object]) -> DataFrame:
    """The judged events of one kind in a batch."""
    return judged(bronze.filter(F.col("kind") == kind), kind, knobs)


def explode_readings(rows: pa.Table) -> pa.Table:
    """One row an event with `readings` -> one row a reading with `metric` and `value`."""
    readings = rows["readings"].combine_chunks()
    parents = pc.list_parent_indices(readings)
    flat = pc.list_flatten(readings)
    repeated = rows.drop_columns(["readings"]).take(parents)
    return repeated.append_column("metric", pc.struct_field(flat, "metric")).append_column(
        "value", pc.struct_field(flat, "value")
    )
