"""bronze.events of one kind -> the same rows with a verdict: `mask`, `reasons`, and `row`, the silver row if accepted."""

from collections.abc import Mapping, Sequence
from types import ModuleType

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contract import Contract, Rule, kinds, rule_set
from lakehouse.quality import REASONS_TYPE, bound, reasons, violations, warnings
from lakehouse.silver import prices, sensors
from lakehouse.silver.payload import constants, parse

TRANSFORMS: Mapping[str, ModuleType] = {"price": prices, "sensor": sensors}
ROW = "row"
# What a verdict keeps of bronze.events beside the silver row; the payload travels as text, which holds any bytes unchanged.
KEPT = ("topic", "partition", "offset", "event_id", "source", "received_at", "content_type", "ingested_at")


READINGS = "readings"  # several silver rows in one event: array<struct<…>> of the columns that differ


def row_columns(contract: Contract) -> list[str]:
    """Fields of the `row` struct: the contract's columns that are not KEPT; those inside READINGS stand for themselves."""
    inside = getattr(TRANSFORMS[contract.kind or ""], "READ_TOGETHER", ())
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
    transformed = TRANSFORMS[kind].transform(parse(narrow, contract)).withColumn("mask", violations(rules))
    made = {"_warnings": warnings(rules, "mask"), "rule_set": F.lit(rule_set(knobs))}
    raw_commodity = F.col("p.commodity") if kind == "price" else F.lit(None).cast("string")
    return transformed.select(
        *KEPT,
        "text",
        "mask",
        reasons(rules, "mask").alias("reasons"),
        F.struct(*(made[name].alias(name) if name in made else F.col(name) for name in row_columns(contract))).alias(ROW),
        F.substring("p.market_id", 1, 200).alias("raw_market"),
        F.substring(raw_commodity, 1, 200).alias("raw_commodity"),
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


def settled(rows: DataFrame, marks: DataFrame | None, place: Sequence[str]) -> DataFrame:
    """Judged rows with the columns of MARKS. `marks`: MARKS beside `place`, which names a row; None: nothing to add."""
    if marks is None:
        marked = rows.withColumns({name: F.lit(None).cast(type_) for name, type_ in MARKS.items()})
    else:
        marked = rows.join(F.broadcast(marks), list(place), "left")
    own = F.when(F.col("reasons").isNull(), "silver").otherwise("quarantine")
    return marked.withColumn("landing", F.coalesce("landing", own))


def accepted_rows(rows: DataFrame, kind: str) -> DataFrame:
    """Settled rows that land in silver -> rows of the kind's table, in the contract's columns and order."""
    contract = kinds()[kind]
    noted = F.expr(f"concat({ROW}._warnings, coalesce(noted, cast(array() as array<string>)))")
    landed = rows.filter("landing = 'silver'").withColumn("_noted", noted)
    flat = landed.select(*KEPT, f"{ROW}.*", "_noted").drop("_warnings").withColumnRenamed("_noted", "_warnings")
    explode = getattr(TRANSFORMS[kind], "rows", None)
    return (explode(flat) if explode else flat).select(*contract.column_names)


def quarantine_rows(rows: DataFrame, kind: str, rule_set: str) -> DataFrame:
    """Settled rows that are doubtful -> rows of silver.quarantine."""
    none = f"cast(array() as {REASONS_TYPE})"
    own = f"filter(coalesce(reasons, {none}), r -> waived is null or not array_contains(waived, r.rule))"
    reason = "named_struct('rule', w, 'severity', 'warn', 'message', w)"
    warned = f"transform(if(reasons is null, {ROW}._warnings, array()), w -> {reason})"
    return rows.filter("landing = 'quarantine'").select(
        "event_id",
        F.lit(kind).alias("kind"),
        "source",
        F.col("raw_market").alias("market_id"),
        F.col("raw_commodity").alias("commodity"),
        F.expr(f"cast(concat(coalesce(added, {none}), {own}, {warned}) as {REASONS_TYPE})").alias("reasons"),
        F.lit("stream").alias("stage"),
        F.lit("open").alias("state"),
        F.coalesce("generation", F.lit(0)).alias("generation"),
        F.lit(rule_set).alias("rule_set"),
        "evidence",
        "suggestion",
        F.col("text").cast("binary").alias("payload"),
        "content_type",
        "received_at",
        F.col("ingested_at").alias("quarantined_at"),
        "topic",
        "partition",
        "offset",
        F.to_date("ingested_at").alias("ingest_date"),
    )
