"""bronze.events -> silver.listings"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.reference import category_aliases
from lakehouse.silver.names import lookup, matching_key, month

PERCENT = 100.0


def transform(parsed: DataFrame) -> DataFrame:
    """Parsed listing events with the columns of silver.listings and those that its rules read."""
    listed = lookup(category_aliases(), matching_key("p.Category"))
    as_written = F.upper(F.regexp_replace(F.trim("p.Category"), r"\s+", " "))
    return parsed.withColumns(
        {
            "product_id": F.col("p.ProductID").cast("bigint"),
            "product_name": F.trim("p.ProductName"),
            "category_listed": listed.isNotNull(),
            "category": F.coalesce(listed, F.nullif(as_written, F.lit(""))),
            "price": F.col("p.Price"),
            "rating": F.col("p.Rating"),
            "num_reviews": F.col("p.NumReviews").cast("bigint"),
            "stock_quantity": F.col("p.StockQuantity").cast("bigint"),
            "discount_pct": F.round(F.col("p.Discount") * PERCENT, 9),  # 0.07 x 100 is 7.000000000000001
            "sales": F.col("p.Sales").cast("bigint"),
            "date_added": F.col("given_DateAdded"),
            "event_month": month(F.col("event_time")),
        }
    )
