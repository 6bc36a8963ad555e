"""bronze.events -> silver.decisions"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month

# Columns that the stream reads and that silver does not keep: `proof`, what a signature covers, and itself.
NOT_KEPT = ("proof",)


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed decisions with the columns of silver.decisions and those that its rules read."""
    return parsed.withColumns(
        {
            "target_event_id": F.col("p.target_event_id"),
            "target_kind": F.col("p.target_kind"),
            "target_record": F.col("p.target_record"),
            "generation": F.col("p.generation").cast("int"),
            "decision": F.col("p.decision"),
            "reason": F.trim("p.reason"),
            "correction": F.col("p.correction"),
            "correction_fields": F.expr("json_object_keys(p.correction)"),
            "recheck": F.coalesce("p.recheck", F.lit(False)),
            "decided_by": F.col("p.decided_by"),
            "quarantined_at": F.col("given_quarantined_at"),
            "event_month": month(F.col("event_time")),
            "proof": F.struct(
                F.col("source"),
                F.col("text").cast("binary").alias("value"),
                F.element_at("other_headers", "signature").alias("signature"),
            ),
        }
    )
