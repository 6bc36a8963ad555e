"""Verdicts on the events of a batch: row rules by Spark, duplicates by the index, history by validators."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.settings import settings
from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import Contract, contracts, kinds, rule_set
from lakehouse.contracts.history_rules import compile_checks, identity_rules
from lakehouse.contracts.rule_functions import column_violation
from lakehouse.contracts.rule_masks import bit_of, mask_of
from lakehouse.io.delta import open_table
from lakehouse.silver.verdicts import (
    READINGS,
    ROW,
    accepted_rows,
    quarantine_rows,
    row_columns,
    rules_of,
    with_outcomes,
    with_verdicts,
)
from lakehouse.validation import Validator
from lakehouse.validation.registry import VALIDATORS
from streaming_jobs.batch.decisions import DECISION
from streaming_jobs.batch.event_index import CONFLICT, NEW, EventIds
from streaming_jobs.batch.folded_gold import FoldedGold
from streaming_jobs.batch.kind_result import PLACE, KindResult, Resubmission
from streaming_jobs.batch.plan_cache import ResolvedOnce
from streaming_jobs.batch.row_outcomes import row_outcomes


class Judge:
    """Judges frames of bronze rows, kind by kind; its index and validators hold what has landed."""

    def __init__(self, spark: SparkSession, ids: EventIds | None) -> None:
        """`ids` None: only resubmitted events will be judged."""
        self._spark = spark
        self._ids = ids
        knobs = settings().validation.model_dump()
        self.rules = {kind: rules_of(kind, knobs) for kind in kinds()}
        self.rule_set = rule_set(knobs)
        self._identity_checks = compile_checks(
            "silver/every_kind.yml", identity_rules(), column_violation, ("id_conflict",)
        )
        self._row_verdicts = {
            kind: ResolvedOnce(spark, partial(row_verdicts, kind=kind, knobs=knobs)) for kind in kinds()
        }
        self._selected: dict[str, list[Column]] = {}
        self._validators: dict[str, Validator] = {kind: make(knobs) for kind, make in VALIDATORS.items()}

    def load(self, before: datetime) -> None:
        """Let the validators read what landed in batches before that time."""
        for kind, validator in self._validators.items():
            dataset = open_table(kinds()[kind].table).to_pyarrow_dataset()
            for batch in dataset.to_batches(
                columns=list(validator.columns), filter=pc.field("ingested_at") < before
            ):
                validator.load(pa.Table.from_batches([batch]))

    def no_records(self) -> DataFrame:
        """Bronze without a row."""
        return self._spark.createDataFrame(arrow_schema(contracts()["bronze.events"]).empty_table())

    def judge(
        self, bronze: DataFrame, kind: str, tag: bytes, resubmissions: Sequence[Resubmission] = ()
    ) -> KindResult:
        """Verdicts on the events of one kind, of those in `bronze` and of `resubmissions`.

        `tag`: of the batch, see `event_index.batch_tag`: a retry of the batch gives the same verdicts.
        """
        events = [event for event in resubmissions if event.kind == kind]
        if events:
            records = pa.concat_tables([event.record for event in events])
            bronze = bronze.filter(F.col("kind") == kind).unionByName(self._spark.createDataFrame(records))
        frame = self._row_verdicts[kind](bronze).persist()
        narrow = frame.select(*self._narrow(kind)).toArrow()
        narrow = narrow.sort_by([(name, "ascending") for name in PLACE])
        errors = mask_of(self.rules[kind], "error")
        empty = np.empty(0, dtype=np.int64)
        result = KindResult(kind, frame, narrow, np.empty(0, dtype=np.int8), empty, empty, errors, {})
        return self._by_history(self._by_index(result, events, tag))

    def _narrow(self, kind: str) -> list[Column]:
        """What the driver reads of a frame; made once, as each column costs calls into the JVM."""
        if kind not in self._selected:
            names = [
                *PLACE,
                "event_id",
                "mask",
                "received_at",
                *(f"{ROW}.{name}" for name in self._columns(kinds()[kind])),
            ]
            self._selected[kind] = [
                *map(F.col, names),
                F.xxhash64("text").alias("payload_hash"),
                F.substring_index("source", ":", 1).alias("door"),
            ]
        return self._selected[kind]

    def _columns(self, contract: Contract) -> list[str]:
        """Columns of the silver row that folded gold and the validator read; readings are exploded later."""
        if contract.kind == DECISION:
            return row_columns(contract)
        validator = self._validators.get(contract.kind or "")
        wanted = FoldedGold.wanted_columns(contract.table) | set(validator.columns if validator else ())
        return [name for name in row_columns(contract) if name in wanted or name == READINGS]

    def _by_index(self, result: KindResult, events: Sequence[Resubmission], tag: bytes) -> KindResult:
        """The result with duplicates and conflicts.

        A resubmitted event is in the index; its conflict stays one.
        """
        narrow = result.narrow
        rules = self.rules[result.kind]
        result.resubmitted = _row_numbers(narrow, events)
        verdict = np.full(narrow.num_rows, NEW, dtype=np.int8)
        if self._ids is not None:
            arrived = narrow.filter(pa.array(result.arrived)) if events else narrow
            ids = arrived["event_id"].to_pylist()
            hashes = arrived["payload_hash"].to_pylist()
            verdict[result.arrived if events else slice(None)] = self._ids.classify(
                result.kind, ids, hashes, tag
            )
        for row, event in result.resubmitted.items():
            verdict[row] = CONFLICT if event.conflict else NEW
        mask = narrow["mask"].to_numpy()
        evidence = {"id_conflict": verdict == CONFLICT}
        for name, violated in self._identity_checks.items():
            mask = mask | np.where(violated(evidence, len(verdict)), bit_of(rules, name), 0)
        waived = np.zeros_like(mask)
        releasable = sum(
            1 << bit for bit, rule in enumerate(rules) if rule.releasable and rule.severity == "error"
        )
        for row in (row for row, event in result.resubmitted.items() if event.released):
            waived[row] = mask[row] & releasable
        return replace(result, verdict=verdict, mask=mask & ~waived, waived=waived)

    def _by_history(self, result: KindResult) -> KindResult:
        """The result with the violations that the kind's validator finds. It keeps the accepted rows."""
        validator = self._validators.get(result.kind)
        if validator is None or not result.narrow.num_rows:
            return result
        released = np.zeros(len(result.verdict), dtype=bool)
        released[[row for row, event in result.resubmitted.items() if event.released]] = True
        judgement = validator.judge(result.narrow, result.accepted, released & result.accepted)
        mask = result.mask.copy()
        waived = result.waived.copy()
        for rule, flags in judgement.violated.items():
            bit = bit_of(self.rules[result.kind], rule)
            waive = released & flags & bool(bit & result.errors)
            mask |= np.where(flags & ~waive, bit, 0)
            waived |= np.where(waive, bit, 0)
        return replace(result, mask=mask, waived=waived, judgement=judgement)

    def settled(self, result: KindResult) -> DataFrame:
        """The frame, with where rows land if the row rules alone do not decide it.

        Made on the first call: then `silver` and `quarantine`, which share it, can run side by side.
        """
        if result.settled is None:
            outcomes = row_outcomes(result, self.rules[result.kind])
            table = None if outcomes.table is None else self._spark.createDataFrame(outcomes.table)
            result.settled = with_outcomes(result.frame, table, PLACE, outcomes.common_warnings)
        return result.settled

    def silver(self, result: KindResult) -> DataFrame:
        """Accepted rows in the columns of the kind's table."""
        return accepted_rows(self.settled(result), result.kind)

    def quarantine(self, results: list[KindResult]) -> DataFrame:
        """Refused rows of all kinds in the columns of silver.quarantine.

        Raises ValueError when there are none.
        """
        parts = [
            quarantine_rows(self.settled(result), result.kind, self.rule_set)
            for result in results
            if result.refused.any()
        ]
        if not parts:
            raise ValueError("nothing was refused")
        return reduce(DataFrame.unionByName, parts)


def row_verdicts(bronze: DataFrame, kind: str, knobs: Mapping[str, object]) -> DataFrame:
    """The events of one kind in a batch with the verdicts of its row rules."""
    return with_verdicts(bronze.filter(F.col("kind") == kind), kind, knobs)


def accepted_tables(results: list[KindResult]) -> dict[str, pa.Table]:
    """Silver table -> accepted rows with the columns that folded gold reads."""
    tables = {}
    for result in results:
        narrow = result.narrow.append_column("_warnings", decision_warnings(result))
        rows = narrow.filter(pa.array(result.accepted))
        tables[kinds()[result.kind].table] = explode_readings(rows) if READINGS in rows.column_names else rows
    return tables


def decision_warnings(result: KindResult) -> pa.ListArray:
    """The warning that a decision gave to each row: `released`, `corrected` or `rechecked`; else none."""
    decided = sorted(result.resubmitted.items())
    offsets = np.zeros(result.narrow.num_rows + 1, dtype=np.int32)
    offsets[[row + 1 for row, _ in decided]] = 1
    values = pa.array([event.warning for _, event in decided], pa.string())
    return pa.ListArray.from_arrays(pa.array(np.cumsum(offsets, dtype=np.int32)), values)


def explode_readings(rows: pa.Table) -> pa.Table:
    """One row per event with `readings` -> one row per reading with `metric` and `value`."""
    readings = rows["readings"].combine_chunks()
    parents = pc.list_parent_indices(readings)
    flat = pc.list_flatten(readings)
    repeated = rows.drop_columns(["readings"]).take(parents)
    return repeated.append_column("metric", pc.struct_field(flat, "metric")).append_column(
        "value", pc.struct_field(flat, "value")
    )


def _row_numbers(narrow: pa.Table, events: Sequence[Resubmission]) -> dict[int, Resubmission]:
    """Row number -> the resubmitted event in that row."""
    if not events:
        return {}
    by_place = {(event.partition, event.offset): event for event in events}
    places = zip(narrow["partition"].to_pylist(), narrow["offset"].to_pylist(), strict=True)
    return {row: by_place[place] for row, place in enumerate(places) if place in by_place}
