"""bronze.events -> silver.shipments"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.reference import place_aliases
from lakehouse.silver.names import commodity_row, lookup, matching_key, month

SECONDS_PER_HOUR = 3600.0


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed shipment events with the columns of silver.shipments and those that its rules read."""
    departed, arrived = F.col("given_departed_at"), F.col("given_arrived_at")
    return parsed.withColumn("listed_commodity", commodity_row("p.commodity")).withColumns(
        {
            "route_id": F.col("p.route_id"),
            "origin": F.col("p.origin"),
            "origin_region_code": lookup(place_aliases(), matching_key("p.origin")),
            "destination": F.col("p.destination"),
            "destination_region_code": lookup(place_aliases(), matching_key("p.destination")),
            "commodity": F.col("listed_commodity.id"),
            "commodity_is_group": F.col("listed_commodity.is_group"),
            "quantity_kg": F.col("p.quantity_kg"),
            "distance_km": F.col("p.distance_km"),
            "departed_at": departed,
            "arrived_at": arrived,
            "travel_hours": (F.unix_micros(arrived) - F.unix_micros(departed)) / (1e6 * SECONDS_PER_HOUR),
            "event_month": month(F.col("event_time")),
            "device_id": F.col("p.device_id"),
        }
    )
