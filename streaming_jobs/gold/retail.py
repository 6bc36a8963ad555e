"""silver.listings -> revenue, discounts, ratings, satisfaction and best products of a shop.

All tables are small and follow from one pass over the listings, so each is written whole.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date
from typing import Any

import numpy as np
import numpy.typing as npt
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
    columns = {name: latest[name].to_numpy() for name in latest.column_names if name != "product_name"}
    for shop, part in parts_of(columns["shop"]):
        products = {column: values[part] for column, values in columns.items()}
        scale = bounds_of(shop, "rating", settings().rule_values())
        for table, of_shop in rows_of_shop(products, scale).items():
            rows[table] += [{"shop": shop} | row for row in of_shop]
    return rows


def rows_of_shop(columns: Products, scale: tuple[float, float]) -> dict[str, list[dict[str, Any]]]:
    """The same for the products of one shop, by category. `scale`: its lowest and highest rating."""
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in COMPUTED}
    shop_rating = float(columns["rating"].mean())
    shop_reviews = float(np.median(columns["num_reviews"]))
    for name, part in parts_of(columns["category"]):
        products = {column: values[part] for column, values in columns.items()}
        shared = {"category": name, **newest_of(products)}
        discounts, ratings, satisfaction = COMPUTED
        rows[discounts] += [shared | row for row in discount_rows(products)]
        rows[ratings].append(shared | price_rating_row(products))
        rows[satisfaction].append(shared | satisfaction_row(products, shop_rating, shop_reviews, scale))
    return rows


def parts_of(sorted_names: npt.NDArray[Any]) -> list[tuple[str, slice]]:
    """(name, its positions) of each name of a sorted array; none of an empty one."""
    if not len(sorted_names):
        return []
    starts = np.flatnonzero(np.r_[True, sorted_names[1:] != sorted_names[:-1]])
    ends = np.r_[starts[1:], len(sorted_names)]
    return [
        (str(sorted_names[start]), slice(int(start), int(end)))
        for start, end in zip(starts, ends, strict=True)
    ]


def newest_of(products: Products) -> dict[str, date]:
    """The newest time and day of the products."""
    newest = products["event_time"].max().astype("datetime64[us]").item()
    day = products["market_date"].max().astype("datetime64[D]").item()
    return {"event_time": newest.replace(tzinfo=UTC), "market_date": day}


JOB = Retail
