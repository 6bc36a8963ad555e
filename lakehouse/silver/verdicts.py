"""Rows of bronze.events of one kind with their verdict: `mask`, `reasons`, and `row`, the silver row."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.contract import Contract, Rule, contracts, kinds, rule_set
from lakehouse.contracts.history_rules import with_knobs
from lakehouse.contracts.rule_masks import REASONS_TYPE, reasons, violations, warnings
from lakehouse.event import DEAD_LETTER
from lakehouse.silver.payload import constants, parse

ROW = "row"
# Columns of bronze.events that a verdict keeps with the silver row. The payload travels as text, which
# holds any bytes unchanged.
KEPT = ("topic", "partition", "offset", "event_id", "source", "received_at", "content_type", "ingested_at")
# Values as given, for people who look through the quarantine.
RAW = {"raw_market": "market_id", "raw_commodity": "commodity"}
# Several silver rows in one event: array<struct<…>> of the columns that differ.
READINGS = "readings"


@cache
def transform_of(kind: str) -> ModuleType:
    """The module that makes the kind's silver rows: silver.prices -> lakehouse/silver/prices.py."""
    return import_module(f"lakehouse.{kinds()[kind].table}")


def row_columns(contract: Contract) -> list[str]:
    """Fields of the `row` struct: the contract's columns that are neither KEPT nor inside READINGS.

    Then what the transform adds for the stream alone.
    """
    transform = transform_of(contract.kind or "")
    inside = getattr(transform, "READ_TOGETHER", ())
    names = [name for name in contract.column_names if name not in KEPT and name not in inside]
    return [*names, *([READINGS] if inside else []), *getattr(transform, "NOT_KEPT", ())]


def rules_of(kind: str, knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a kind with every `${…}` replaced; bit n of a mask is rule n."""
    contract = kinds()[kind]
    return with_knobs(contract.table, contract.rules, {**knobs, **constants(contract)})


def as_text(events: DataFrame) -> DataFrame:
    """What a verdict reads of rows of bronze.events, the payload as `text`."""
    return events.select(*KEPT, "other_headers", "kind", F.col("value").cast("string").alias("text"))


def with_verdicts(events: DataFrame, kind: str, knobs: Mapping[str, object]) -> DataFrame:
    """One row an event with its verdict by the row rules.

    Columns: KEPT, text, mask bigint, reasons array<struct> (null: accepted), row struct (silver), RAW.
    `events`: rows of bronze.events of this kind. `knobs`: of settings().validation.
    """
    contract = kinds()[kind]
    rules = rules_of(kind, knobs)
    transformed = transform_of(kind).transform(parse(as_text(events), contract))
    transformed = transformed.withColumn("mask", violations(rules))
    derived = {"_warnings": warnings(rules, "mask"), "rule_set": F.lit(rule_set(knobs))}
    fields = {field.name for field in contract.payload}
    raw = {
        name: F.substring(f"p.{name}", 1, 200) if name in fields else F.lit(None).cast("string")
        for name in RAW.values()
    }
    return transformed.select(
        *KEPT,
        "text",
        "mask",
        reasons(rules, "mask").alias("reasons"),
        F.struct(
            *(derived[name].alias(name) if name in derived else F.col(name) for name in row_columns(contract))
        ).alias(ROW),
        *(raw[field].alias(name) for name, field in RAW.items()),
    )


# What the stream adds to rows whose landing the row rules alone do not decide; one row an event.
# landing: silver, quarantine or nowhere; added: reasons besides the row's own; waived: rules that an operator
# waived; noted: names for _warnings; evidence, suggestion: JSON text; generation: number of reviews before.
ROW_OUTCOME = {
    "landing": "string",
    "added": REASONS_TYPE,
    "waived": "array<string>",
    "noted": "array<string>",
    "evidence": "string",
    "suggestion": "string",
    "generation": "int",
}


def with_outcomes(
    rows: DataFrame, outcomes: DataFrame | None, place: Sequence[str], usual: Sequence[str]
) -> DataFrame:
    """Rows of `with_verdicts` with the columns of ROW_OUTCOME, unchanged when there is nothing to add.

    `outcomes`: ROW_OUTCOME and `place`, the columns that identify a row. All other rows land by their reasons
    and have the warnings `usual`.
    """
    if outcomes is None and not usual:
        return rows
    noted = F.array(*map(F.lit, usual)).cast(ROW_OUTCOME["noted"])
    own = F.when(F.col("reasons").isNull(), "silver").otherwise("quarantine")
    if outcomes is None:
        nothing = {name: F.lit(None).cast(spark_type) for name, spark_type in ROW_OUTCOME.items()}
        return rows.withColumns({**nothing, "noted": noted, "landing": own})
    joined = rows.join(F.broadcast(outcomes), list(place), "left")
    return joined.withColumns(
        {
            "noted": F.when(F.col("landing").isNull(), noted).otherwise(F.col("noted")),
            "landing": F.coalesce("landing", own),
        }
    )


def accepted_rows(rows: DataFrame, kind: str) -> DataFrame:
    """Rows of the kind's table, in the contract's columns: those of `with_verdicts` that land in silver.

    The outcomes may have been added or not.
    """
    contract = kinds()[kind]
    if "landing" in rows.columns:
        flat = rows.filter("landing = 'silver'").select(*_accepted_columns(kind))
    else:
        flat = rows.filter("reasons is null").select(*KEPT, f"{ROW}.*")
    explode = getattr(transform_of(kind), "rows", None)
    return (explode(flat) if explode else flat).select(*_columns_of(contract.table))


@cache
def _accepted_columns(kind: str) -> tuple[Column, ...]:
    """Columns of an accepted row with an outcome, before its readings become rows."""
    noted = F.expr(f"concat({ROW}._warnings, coalesce(noted, array()))").alias("_warnings")
    inside = (F.col(f"{ROW}.{name}") for name in row_columns(kinds()[kind]) if name != "_warnings")
    return (*map(F.col, KEPT), *inside, noted)


@cache
def _columns_of(table: str) -> tuple[Column, ...]:
    return tuple(map(F.col, contracts()[table].column_names))


def quarantine_rows(rows: DataFrame, kind: str, rule_set: str) -> DataFrame:
    """Rows of silver.quarantine: those of `with_verdicts` that are refused, with or without outcomes."""
    if "landing" not in rows.columns:
        nothing = {
            name: F.lit(None).cast(spark_type)
            for name, spark_type in ROW_OUTCOME.items()
            if name != "landing"
        }
        rows = rows.filter("reasons is not null").withColumns({**nothing, "landing": F.lit("quarantine")})
    return rows.filter("landing = 'quarantine'").select(*_quarantine_columns(kind, rule_set))


@cache
def _quarantine_columns(kind: str, rule_set: str) -> tuple[Column, ...]:
    """Columns of silver.quarantine, built once: each costs calls into the JVM in every batch."""
    none = f"cast(array() as {REASONS_TYPE})"
    own = f"filter(coalesce(reasons, {none}), r -> waived is null or not array_contains(waived, r.rule))"
    reason = "named_struct('rule', w, 'severity', 'warn', 'message', w)"
    warned = f"transform(if(reasons is null, {ROW}._warnings, array()), w -> {reason})"
    return (
        F.col("event_id"),
        F.lit(kind).alias("kind"),
        F.col("source"),
        F.col("raw_market").alias("market_id"),
        F.col("raw_commodity").alias("commodity"),
        F.expr(f"cast(concat(coalesce(added, {none}), {own}, {warned}) as {REASONS_TYPE})").alias("reasons"),
        F.lit("door" if kind == DEAD_LETTER else "stream").alias("stage"),
        F.lit("open").alias("state"),
        F.coalesce("generation", F.lit(0)).alias("generation"),
        F.lit(rule_set).alias("rule_set"),
        F.col("evidence"),
        F.col("suggestion"),
        F.col("text").cast("binary").alias("payload"),
        F.col("content_type"),
        F.col("received_at"),
        F.col("ingested_at").alias("quarantined_at"),
        F.col("topic"),
        F.col("partition"),
        F.col("offset"),
        F.to_date("ingested_at").alias("ingest_date"),
    )
