"""bronze.events -> silver.dead_letters: every message that an intake refused, judged by why it did."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month


def transform(parsed: DataFrame) -> DataFrame:
    """Refused messages with the columns of silver.dead_letters and those that its rules read.

    The rules on content do not apply: the message may be cut, or of any kind. One that needs no decision is
    taken for an empty object: nothing in it may send it to the quarantine.
    """

    def header(name: str) -> Column:
        return F.coalesce(F.element_at("other_headers", name), F.lit(""))

    listed = (header("door") != "http") & (header("listed") != "no")
    return parsed.withColumns(
        {
            "listed": listed,
            "text": F.when(listed, F.col("text")).otherwise("{}"),
            "p": F.when(listed, F.col("p")),
            "given_time": F.when(listed, F.col("given_time")),
            "refusal": header("reason"),
            "intended": header("original_topic"),
            "event_time": F.col("received_at"),
            "event_month": month(F.col("received_at")),
            "plain": F.lit(True),
            "malformed": F.lit(False),
            "kind": F.when(listed, F.col("p.kind")),
        }
    )
