"""bronze.events -> silver.ledger_entries"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import commodity_row, month


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed ledger events with the columns of silver.ledger_entries and those that its rules read."""
    return parsed.withColumn("listed_commodity", commodity_row("p.commodity")).withColumns(
        {
            "chain": F.coalesce("p.chain", F.lit("price")),
            "market_id": F.col("p.market_id"),
            "commodity": F.col("listed_commodity.id"),
            "price_idr": F.col("p.price"),
            "actor": F.coalesce("p.decided_by", "p.source", "source"),
            "event_month": month(F.col("event_time")),
        }
    )
