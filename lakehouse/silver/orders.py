"""bronze.events -> silver.orders"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contract import kinds
from lakehouse.silver.names import month

MADE = {"event_id", "symbol", "decided_at", "executed_at", "event_time"}  # columns that are not a payload field as it stands
FIELDS = [
    field.name for field in kinds()["order"].payload if field.name in kinds()["order"].column_names and field.name not in MADE
]


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed orders with the columns of silver.orders and those that its rules read."""
    return parsed.withColumns(
        {
            **{name: F.col(f"p.{name}") for name in FIELDS},
            "symbol": F.upper("p.symbol"),
            "decided_at": F.col("given_decided_at"),
            "executed_at": F.col("given_executed_at"),
            "verdict": F.get_json_object("p.validation", "$.result"),
            "event_month": month(F.col("event_time")),
        }
    )
