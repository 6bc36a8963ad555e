"""bronze.events -> silver.posts"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.reference import DEFAULT_TIMEZONE, commodity_aliases
from lakehouse.silver.names import local_day, lookup_sql, matching_key, month

NONE = "cast(array() as array<string>)"


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed posts with the columns of silver.posts and those that its rules read."""
    market_date = local_day("event_time", F.lit(DEFAULT_TIMEZONE))
    return parsed.withColumn("named", named_commodities("p.commodities")).withColumns(
        {
            "post_id": F.col("p.post_id"),
            "origin": F.col("p.source"),
            "content": F.col("p.text"),
            "title": F.col("p.title"),
            "lang": F.lower("p.lang"),
            "symbols": F.expr(f"array_distinct(transform(coalesce(p.symbols, {NONE}), s -> upper(trim(s))))"),
            "commodities": F.expr(
                "array_distinct(transform(filter(named, n -> n.id is not null), n -> n.id))"
            ),
            "unknown_commodities": F.expr("transform(filter(named, n -> n.id is null), n -> n.given)"),
            "market_date": market_date,
            "event_month": month(market_date),
        }
    )


def named_commodities(names: str) -> Column:
    """array<struct<given, id>>: each name with its commodity, null when no commodity is called so."""
    known = lookup_sql(commodity_aliases(), matching_key("s"))
    return F.expr(f"transform(coalesce({names}, {NONE}), s -> named_struct('given', s, 'id', {known}))")
