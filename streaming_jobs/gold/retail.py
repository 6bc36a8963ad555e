"""silver.listings -> revenue, discounts, ratings, satisfaction and best products of a shop.

All tables are small and follow from one pass over the listings, so each is written whole.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from conf.settings import settings
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql, run_sql
from lakehouse.shop import Products, bounds_of, discount_rows, price_rating_row, satisfaction_row
from streaming_jobs.gold.driver import BatchJob, Change, News, Views

LISTINGS = "silver.listings"
REVENUE = "gold.revenue"
TOP_PRODUCTS = "gold.top_products"
LATEST = "latest_listings"
COMPUTED = ("gold.discount_effect", "gold.price_rating", "gold.customer_satisfaction")
READ = (
    "product_id, product_name, category, price, discount_pct, rating, num_reviews, stock_quantity, sales, "
    "date_added, event_time"
)
LATEST_SQL = f"""
  select shop, {READ}, cast(timezone('Asia/Jakarta', event_time) as date) as market_date,
    greatest(market_date - date_added, 0) as age_days
  from (
    select *, row_number() over (partition by shop, product_id order by event_time desc, event_id desc) as nth
    from (select coalesce(shop, 'main') as shop, {READ}, event_id
      from silver_listings where category is not null)
  ) where nth = 1 order by shop, category, product_id
"""


class Retail(BatchJob):
    """Computes the tables again when a batch has brought listings."""

    name = "retail"
    tables = (REVENUE, *COMPUTED, TOP_PRODUCTS)
    kinds = ("listing",)

    def compute(self, news: News) -> Iterator[Change]:
        """All rows of the tables, from the present listings."""
        listings = {"silver_listings": news.dataset(LISTINGS)}
        yield Change(REVENUE, run_contract_sql(contracts()[REVENUE], listings))
        latest = self.prepared(news.dataset)[LATEST]
        for table, rows in category_rows(latest).items():
            yield Change(table, rows)
        yield Change(TOP_PRODUCTS, run_contract_sql(contracts()[TOP_PRODUCTS], {LATEST: latest}))

    def prepared(self, rows_of: Callable[[str], ds.Dataset]) -> Views:
        """The view `latest_listings`: the newest state of each product."""
        return {LATEST: run_sql(LATEST_SQL, {"silver_listings": rows_of(LISTINGS)})}


def category_rows(latest: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables of COMPUTED. `latest`: the newest state of each product, by shop and category."""
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in COMPUTED}
    discounts, ratings, satisfaction = COMPUTED
    columns = {name: latest[name].to_numpy() for name in latest.column_names if name != "product_name"}
    for shop, of_shop in parts_by("shop", columns):
        scale = bounds_of(shop, "rating", settings().rule_values())
        rating = float(of_shop["rating"].mean())
        reviews = float(np.median(of_shop["num_reviews"]))
        for category, products in parts_by("category", of_shop):
            shared = {"shop": shop, "category": category, **newest_of(products)}
            rows[discounts] += [shared | row for row in discount_rows(products)]
            rows[ratings].append(shared | price_rating_row(products))
            rows[satisfaction].append(shared | satisfaction_row(products, rating, reviews, scale))
    return rows


def parts_by(name: str, columns: Products) -> Iterator[tuple[str, Products]]:
    """Each value of a column by which the products are sorted, with its products."""
    values, starts = np.unique(columns[name], return_index=True)
    ends = np.append(starts, len(columns[name]))[1:]
    for value, start, end in zip(values, starts, ends, strict=True):
        yield str(value), {column: numbers[start:end] for column, numbers in columns.items()}


def newest_of(products: Products) -> dict[str, date]:
    """The newest time and day of the products."""
    newest = products["event_time"].max().astype("datetime64[us]").item()
    day = products["market_date"].max().astype("datetime64[D]").item()
    return {"event_time": newest.replace(tzinfo=UTC), "market_date": day}


JOB = Retail
