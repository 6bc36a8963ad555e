"""A synthetic shop: columns as the trainer reads them, and the same as rows of silver.listings."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from lakehouse.io.query import connect
from ml.sales.evaluate import MOST_EVALUATED
from ml.sales.load import SERIES, SalesRows, plain_columns, sales_rows
from producers.simulate.shop import SampleShop
from tests.support.written_lake import write

UNTIL = datetime(2026, 10, 1, 12, tzinfo=UTC)  # end of the simulated days
CATEGORIES = np.array(["BOOKS", "TOYS & GAMES", "WINE"])


def shop_columns(
    seed: int, products: int = 160, states: int = 1, signal: bool = False
) -> dict[str, np.ndarray]:
    """Columns as the query returns them: `products` in `states` states a day apart.

    Sales are noise, or with `signal` a function of the inputs.
    """
    rng = np.random.default_rng(seed)
    kind, price = rng.integers(0, 3, products), rng.uniform(5, 500, products)
    discount = rng.uniform(0, 50, products)
    rating = rng.uniform(1, 5, products)
    reviews = rng.integers(0, 5000, products)
    sales = rng.integers(1, 2000, products).astype(float)
    if signal:
        logs = 8 - 0.006 * price * (1 - discount / 100) + np.array([0, 0.8, 1.6])[kind] + 0.2 * rating
        sales = np.round(np.exp(logs + 0.2 * rng.standard_normal(products)))
    number, state = np.repeat(np.arange(products), states), np.tile(np.arange(states), products)
    day = 19000.0 + rng.integers(0, 300, products)[number] + state
    return {
        "product_id": number + 1,
        "product_name": np.array([f"product {n}" for n in number]),
        "category": CATEGORIES[kind][number],
        "price": price[number],
        "discount_pct": discount[number],
        "rating": rating[number],
        "num_reviews": reviews[number].astype(float),
        "stock_quantity": rng.integers(0, 900, len(number)).astype(float),
        "sales": sales[number] + state,
        "day": day,
        "day_added": day - state,
    }


def write_listings(columns: dict[str, np.ndarray], shop: str | None = None) -> None:
    """Append the columns to silver.listings, two states a day: the later one counts."""
    noon = datetime(1970, 1, 1, tzinfo=UTC)
    rows = pd.DataFrame(columns)
    listings = [
        {
            "event_id": f"{shop}-{nth}-{late}",
            "shop": shop,
            "product_id": int(row.product_id),
            "product_name": row.product_name,
            "category": row.category,
            "price": row.price,
            "rating": row.rating,
            "num_reviews": int(row.num_reviews),
            "stock_quantity": int(row.stock_quantity),
            "discount_pct": row.discount_pct,
            "sales": int(row.sales) * late,
            "event_month": "2022-01",
            "date_added": date(1970, 1, 1) + timedelta(days=int(row.day_added)),
            "event_time": noon + timedelta(days=row.day, hours=late),
        }
        for nth, row in enumerate(rows.itertuples())
        for late in (0, 1)
    ]
    write("silver.listings", listings)


def simulated_rows(seed: int, products: int, days: int, most: int = MOST_EVALUATED) -> SalesRows:
    """Rows to train on, of a simulated shop whose demand is known; as the query of the trainer gives them."""
    states = [listing.payload for listing in SampleShop(seed, products, days, UNTIL).listings()]
    names = {
        "product_id": "ProductID",
        "product_name": "ProductName",
        "category": "Category",
        "price": "Price",
        "rating": "Rating",
        "num_reviews": "NumReviews",
        "stock_quantity": "StockQuantity",
        "sales": "Sales",
    }
    table = pd.DataFrame(states)
    columns = {name: table[given] for name, given in names.items()}
    others = {
        "event_id": table["event_id"],
        "discount_pct": 100 * table["Discount"],
        "event_time": pd.to_datetime(table["event_time"]),
        "date_added": pd.to_datetime(table["DateAdded"]).dt.date,
    }
    with connect(threads=1) as database:
        database.register("silver_listings", pd.DataFrame(columns | others))
        return sales_rows(plain_columns(database.execute(f"{SERIES} limit {most}").fetchnumpy()), series=True)
