"""bronze.events -> silver.sensors"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.contract import kinds
from lakehouse.reference import DEFAULT_TIMEZONE, markets, provinces
from lakehouse.silver.names import lookup

# Columns that come from `readings`.
READ_TOGETHER = ("metric", "value")
METRICS = tuple(field.name for field in kinds()["sensor"].payload if field.one_of == "metric")


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed sensor events, one row an event, with `readings`: array<struct<metric, value>>."""
    listed = {market.market_id: market.region_code for market in markets().values()}
    zones = {place.code: place.timezone for place in provinces().values()}
    placed = parsed.withColumn("listed_region_code", lookup(listed, "p.market_id"))
    timezone = F.coalesce(lookup(zones, "listed_region_code"), F.lit(DEFAULT_TIMEZONE))
    market_date = F.to_date(F.from_utc_timestamp("event_time", timezone))
    readings = [
        F.when(
            F.col(f"p.{metric}").isNotNull(),
            F.struct(F.lit(metric).alias("metric"), F.col(f"p.{metric}").alias("value")),
        )
        for metric in METRICS
    ]
    device = F.concat_ws("|", "p.market_id", F.coalesce("p.device_id", F.lit("")))
    return placed.withColumns(
        {
            "market_id": F.col("p.market_id"),
            "region_code": F.col("listed_region_code"),
            "device_id": F.col("p.device_id"),
            "device_id_hash": F.substring(F.sha2(device, 256), 1, 16),
            "readings": F.array_compact(F.array(*readings)),
            "market_date": market_date,
            "market_month": F.substring(market_date.cast("string"), 1, 7),
        }
    )


def rows(accepted: DataFrame) -> DataFrame:
    """Accepted events -> one row a reading."""
    return accepted.select("*", F.expr("inline(readings)"))
