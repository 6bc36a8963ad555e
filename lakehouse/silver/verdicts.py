"""bronze.events of one kind -> the same rows with a verdict: `mask`, `reasons`, and `row`, the silver row if accepted."""

from collections.abc import Mapping
from types import ModuleType

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contract import Contract, Rule, kinds, rule_set
from lakehouse.quality import bound, reasons, violations, warnings
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
    made = {"_warnings": warnings(rules, "mask"), "rule_set": F.lit(rule_set())}
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


def accepted_rows(accepted: DataFrame, kind: str) -> DataFrame:
    """Accepted judged events -> rows of the kind's silver table, in the contract's columns and order."""
    contract = kinds()[kind]
    flat = accepted.select(*KEPT, f"{ROW}.*")
    explode = getattr(TRANSFORMS[kind], "rows", None)
    return (explode(flat) if explode else flat).select(*contract.column_names)


def quarantine_rows(refused: DataFrame, kind: str) -> DataFrame:
    """Refused judged events (reasons not null) -> rows of silver.quarantine."""
    return refused.select(
        "event_id",
        F.lit(kind).alias("kind"),
        "source",
        F.col("raw_market").alias("market_id"),
        F.col("raw_commodity").alias("commodity"),
        "reasons",
        F.lit("stream").alias("stage"),
        F.lit("open").alias("state"),
        F.lit(0).alias("generation"),
        F.lit(rule_set()).alias("rule_set"),
        F.col("text").cast("binary").alias("payload"),
        "content_type",
        "received_at",
        F.col("ingested_at").alias("quarantined_at"),
        "topic",
        "partition",
        "offset",
        F.to_date("ingested_at").alias("ingest_date"),
    )
