"""bronze.events of one kind -> the same rows with a verdict: `mask`, `reasons`, and `row`, the silver row if accepted."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contract import Contract, Rule, contracts, kinds, rule_set
from lakehouse.quality import REASONS_TYPE, bound, reasons, violations, warnings
from lakehouse.silver.payload import constants, parse

ROW = "row"
# What a verdict keeps of bronze.events beside the silver row; the payload travels as text, which holds any bytes unchanged.
KEPT = ("topic", "partition", "offset", "event_id", "source", "received_at", "content_type", "ingested_at")
RAW = {"raw_market": "market_id", "raw_commodity": "commodity"}  # as given, for people who look through the quarantine
READINGS = "readings"  # several silver rows in one event: array<struct<…>> of the columns that differ


@cache
def transform_of(kind: str) -> ModuleType:
    """The module beside the contract that makes the kind's silver rows: silver.prices -> lakehouse/silver/prices.py."""
    return import_module(f"lakehouse.{kinds()[kind].table}")


def row_columns(contract: Contract) -> list[str]:
    """Fields of the `row` struct: the contract's columns that are not KEPT; those inside READINGS stand for themselves."""
    inside = getattr(transform_of(contract.kind or ""), "READ_TOGETHER", ())
    names = [name for name in contract.column_names if name not in KEPT and name not in inside]
    return [*names, READINGS] if inside else names


def rules_of(kind: str, knobs: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a kind with every `${…}` replaced; bit n of a mask is rule n."""
    contract = kinds()[kind]
    return bound(contract, {**knobs, **constants(contract)})


def judged(events: DataFrame, kind: str, knobs: Mapping[str, object]) -> DataFrame:
    """One row an event: KEPT columns, text, mask bigint, reasons array<struct> (null: accepted), row struct (the silver row).

    `events`: rows of bronze.events of this kind. `knobs`: values of the `${…}` in rules (settings().validation).
    """
    contract = kinds()[kind]
    rules = rules_of(kind, knobs)
    narrow = events.select(*KEPT, F.col("kind"), F.col("value").cast("string").alias("text"))
    transformed = transform_of(kind).transform(parse(narrow, contract)).withColumn("mask", violations(rules))
    made = {"_warnings": warnings(rules, "mask"), "rule_set": F.lit(rule_set(knobs))}
    fields = {field.name for field in contract.payload}
    raw = {name: F.substring(f"p.{name}", 1, 200) if name in fields else F.lit(None).cast("string") for name in RAW.values()}
    return transformed.select(
        *KEPT,
        "text",
        "mask",
        reasons(rules, "mask").alias("reasons"),
        F.struct(*(made[name].alias(name) if name in made else F.col(name) for name in row_columns(contract))).alias(ROW),
        *(raw[field].alias(name) for name, field in RAW.items()),
    )


# What the stream adds to the judged rows whose fate the row rules alone do not settle; one row an event.
# landing: silver, quarantine or nowhere; added: reasons beside the row's own; waived: rules that a person let pass;
# noted: names for _warnings; evidence, suggestion: JSON text; generation: how often it went round the review loop.
MARKS = {
    "landing": "string",
    "added": REASONS_TYPE,
    "waived": "array<string>",
    "noted": "array<string>",
    "evidence": "string",
    "suggestion": "string",
    "generation": "int",
}


def settled(rows: DataFrame, marks: DataFrame | None, place: Sequence[str], usual: Sequence[str]) -> DataFrame:
    """Judged rows with the columns of MARKS, unchanged when there is nothing to add.

    `marks`: MARKS beside `place`, which names a row; the other rows land by their reasons and bear the warnings `usual`.
    """
    if marks is None and not usual:
        return rows
    noted = F.array(*map(F.lit, usual)).cast(MARKS["noted"])
    own = F.when(F.col("reasons").isNull(), "silver").otherwise("quarantine")
    if marks is None:
        nothing = {name: F.lit(None).cast(spark_type) for name, spark_type in MARKS.items()}
        return rows.withColumns({**nothing, "noted": noted, "landing": own})
    joined = rows.join(F.broadcast(marks), list(place), "left")
    return joined.withColumns(
        {"noted": F.when(F.col("landing").isNull(), noted).otherwise(F.col("noted")), "landing": F.coalesce("landing", own)}
    )


def accepted_rows(rows: DataFrame, kind: str) -> DataFrame:
    """Judged rows, settled or not, that land in silver -> rows of the kind's table, in the contract's columns and order."""
    contract = kinds()[kind]
    if "landing" in rows.columns:
        flat = rows.filter("landing = 'silver'").select(*_accepted_columns(kind))
    else:
        flat = rows.filter("reasons is null").select(*KEPT, f"{ROW}.*")
    explode = getattr(transform_of(kind), "rows", None)
    return (explode(flat) if explode else flat).select(*_columns_of(contract.table))


@cache
def _accepted_columns(kind: str) -> tuple[Column, ...]:
    """What a settled row becomes, before readings are taken apart."""
    noted = F.expr(f"concat({ROW}._warnings, coalesce(noted, array()))").alias("_warnings")
    inside = (F.col(f"{ROW}.{name}") for name in row_columns(kinds()[kind]) if name != "_warnings")
    return (*map(F.col, KEPT), *inside, noted)


@cache
def _columns_of(table: str) -> tuple[Column, ...]:
    return tuple(map(F.col, contracts()[table].column_names))


def quarantine_rows(rows: DataFrame, kind: str, rule_set: str) -> DataFrame:
    """Judged rows, settled or not, that are doubtful -> rows of silver.quarantine."""
    if "landing" not in rows.columns:
        nothing = {name: F.lit(None).cast(spark_type) for name, spark_type in MARKS.items() if name != "landing"}
        rows = rows.filter("reasons is not null").withColumns({**nothing, "landing": F.lit("quarantine")})
    return rows.filter("landing = 'quarantine'").select(*_quarantine_columns(kind, rule_set))


@cache
def _quarantine_columns(kind: str, rule_set: str) -> tuple[Column, ...]:
    """Made once: each costs some calls into the JVM, every batch."""
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
        F.lit("stream").alias("stage"),
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
