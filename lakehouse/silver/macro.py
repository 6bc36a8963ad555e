"""bronze.events -> silver.macro"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month
from lakehouse.silver.payload import is_not_measured, measured


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed macro events with the columns of silver.macro and those that its rules read."""
    return parsed.withColumns(
        {
            "indicator": F.lower("p.indicator"),
            "period": F.col("p.period"),
            "value": measured("p.value"),
            "marks": F.expr(is_not_measured("p.value")),
            "unit": F.trim("p.unit"),
            "released_at": F.col("given_released_at"),
            "publisher": F.col("p.source"),
            "event_month": month(F.col("given_released_at")),
        }
    )
