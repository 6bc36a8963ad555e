"""bronze.events -> silver.orders"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.contract import kinds
from lakehouse.silver.names import month

# Columns that are not copied from a payload field.
COMPUTED_COLUMNS = {
    "event_id",
    "symbol",
    "decided_at",
    "executed_at",
    "event_time",
}
FIELDS = [
    field.name
    for field in kinds()["order"].payload
    if field.name in kinds()["order"].column_names and field.name not in COMPUTED_COLUMNS
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
