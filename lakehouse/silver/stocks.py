"""bronze.events -> silver.stocks"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import commodity_row, local_day, month, region_row


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed stock events with the columns of silver.stocks and those that its rules read."""
    named = parsed.withColumns(
        {"listed_commodity": commodity_row("p.commodity"), "place": region_row("p.region")}
    )
    market_date = local_day("event_time", F.col("place.timezone"))
    return named.withColumns(
        {
            "entity_id": F.col("p.entity_id"),
            "entity_type": F.col("p.entity_type"),
            "commodity": F.col("listed_commodity.id"),
            "commodity_is_group": F.col("listed_commodity.is_group"),
            "quantity_kg": F.col("p.quantity_kg"),
            "capacity_kg": F.col("p.capacity_kg"),
            "region_code": F.col("place.code"),
            "region": F.col("place.name"),
            "market_date": market_date,
            "event_month": month(market_date),
            "device_id": F.col("p.device_id"),
        }
    )
