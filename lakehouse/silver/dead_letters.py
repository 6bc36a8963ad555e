"""bronze.events -> silver.dead_letters: every message that an intake refused, judged by why it did."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month


def transform(parsed: DataFrame) -> DataFrame:
    """Refused messages with the columns of silver.dead_letters and those that its rules read.

    The rules on content do not apply: the message may be cut, or of any kind.
    """

    def header(name: str) -> Column:
        return F.element_at("other_headers", name)

    return parsed.withColumns(
        {
            "refusal": header("reason"),
            "intended": header("original_topic"),
            "event_month": month(F.col("event_time")),
            "plain": F.lit(True),
            "malformed": F.lit(False),
            "kind": F.col("p.kind"),
        }
    )
