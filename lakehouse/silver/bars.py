"""bronze.events -> silver.bars"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.silver.names import month

DAY_WRITTEN = 10  # characters of YYYY-MM-DD


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed bars with the columns of silver.bars and those that its rules read."""
    return parsed.withColumns(
        {
            "symbol": F.upper("p.symbol"),
            "asset_class": F.col("p.asset_class"),
            "interval": F.col("p.interval"),
            "bar_time": F.col("given_bar_time"),
            "bar_date": F.when(
                F.col("given_bar_time").isNotNull(),
                F.substring("p.bar_time", 1, DAY_WRITTEN).try_cast("date"),
            ),
            "open": F.nullif("p.open", F.lit(0.0)),
            "high": F.col("p.high"),
            "low": F.col("p.low"),
            "close": F.col("p.close"),
            "volume": F.col("p.volume"),
            "currency": F.col("p.currency"),
            "final": F.coalesce("p.final", F.lit(True)),
            "no_trade": (F.col("p.high") == F.col("p.low")) & (F.col("p.volume") == 0),
            "event_month": month(F.col("given_bar_time")),
        }
    )
