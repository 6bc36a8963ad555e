"""bronze.events -> silver.listings"""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from math import isfinite

import pyarrow as pa

from lakehouse.reference import category_aliases, shops
from lakehouse.verdicts.resolve import each, entry_of

BILLIONTHS = Decimal("1e-9")
EXACT = Context(prec=400)
BOUNDS = ("price_min", "price_max", "rating_min", "rating_max")


def percent(fraction: float) -> float:
    """100 x the fraction, nine digits after the point: 0.07 x 100 is 7.000000000000001."""
    times_hundred = fraction * 100.0
    if not isfinite(times_hundred):
        return times_hundred
    return float(Decimal(repr(times_hundred)).quantize(BILLIONTHS, ROUND_HALF_UP, EXACT))


def one_line(text: str) -> str | None:
    """Upper case, blanks as one space; None when nothing is left."""
    return re.sub(r"\s+", " ", text.strip(" "), flags=re.ASCII).upper() or None


def own_bounds(shop: str) -> dict[str, float | None] | None:
    """The bounds that a listed shop has of its own."""
    listed_shop = shops().get(shop)
    return {name: getattr(listed_shop, name) for name in BOUNDS} if listed_shop else None


RESOLVED = {
    "category_of_list": each("Category", entry_of(category_aliases())),
    "category_as_written": each("Category", one_line),
    "discount_pct": each("Discount", percent, pa.float64()),
    "bounds": each("Shop", own_bounds, pa.struct([(name, pa.float64()) for name in BOUNDS])),
}
COLUMNS = {
    "shop": "coalesce(p.Shop, 'main')",
    "product_id": "whole(p.ProductID)",
    "product_name": "trim(p.ProductName, ' ')",
    "category_listed": "category_of_list is not null",
    "category": "coalesce(category_of_list, category_as_written)",
    "price": "p.Price",
    "rating": "p.Rating",
    "num_reviews": "whole(p.NumReviews)",
    "stock_quantity": "whole(p.StockQuantity)",
    "sales": "whole(p.Sales)",
    "date_added": "given_DateAdded",
    "event_month": "month(event_time)",
    **{name: f"bounds.{name}" for name in BOUNDS},
}
