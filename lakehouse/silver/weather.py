"""bronze.events -> silver.weather"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month, region_row
from lakehouse.silver.payload import is_not_measured, measured

MEASURES = ("temperature_c", "temperature_min_c", "temperature_max_c", "humidity_pct", "rainfall_mm")


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed weather events with the columns of silver.weather and those that its rules read."""
    return parsed.withColumn("place", region_row("p.region")).withColumns(
        {
            "station_id": F.col("p.station_id"),
            "region_code": F.col("place.code"),
            "region": F.col("place.name"),
            "date": F.col("given_date"),
            **{name: measured(f"p.{name}") for name in MEASURES},
            "marks": F.expr(" or ".join(is_not_measured(f"p.{name}") for name in MEASURES)),
            "event_month": month(F.coalesce("given_date", F.to_date("event_time"))),
        }
    )
