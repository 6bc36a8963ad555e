"""bronze.events -> silver.ledger_entries"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.reference import commodity_aliases
from lakehouse.silver.names import lookup, matching_key


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed ledger events with the columns of silver.ledger_entries; rules judge afterwards."""
    return parsed.withColumns(
        {
            "chain": F.coalesce("p.chain", F.lit("price")),
            "market_id": F.col("p.market_id"),
            "commodity": lookup(commodity_aliases(), matching_key("p.commodity")),
            "price_idr": F.col("p.price"),
            "actor": F.col("source"),
            "event_month": F.substring(F.col("event_time").cast("string"), 1, 7),
        }
    )
