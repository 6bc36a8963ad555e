"""bronze.events -> silver.tides"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed tide events with the columns of silver.tides."""
    return parsed.withColumns(
        {"harbour": F.upper("p.harbour"), "height_m": F.col("p.height_m"), "event_month": month(F.col("event_time"))}
    )
