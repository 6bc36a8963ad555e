"""silver.listings -> gold of a shop: what it sells, and what goes along with discounts, prices and ratings.

Each table is small and follows from one pass over the listings: the SQL of its contract writes it whole.
"""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.contracts.contract import contracts
from lakehouse.io.query import reference_tables, run_contract_sql, run_sql, sql_of
from lakehouse.shop import BANDS, lift_interval
from streaming_jobs.gold.driver import BatchJob, Change, News, Views

LISTINGS = "silver.listings"
READ = (
    "product_id, product_name, category, price, discount_pct, rating, num_reviews, stock_quantity, sales, "
    "event_time"
)
BAND = " ".join(f"when discount_pct <= {limit} then '{name}'" for name, limit in BANDS)
# A product's newest state of each day in Jakarta, and what it sold in the `days` since the one before, at the
# price of that one. `next_date`: day of the next state; null of the newest. `in_stock`: at both ends,
# or in a shop that never reports stock.
PRODUCT_DAYS = f"""
  with states as (
    select coalesce(shop, 'main') as shop, {READ}, price * (1 - discount_pct / 100) as net_price,
      cast(timezone('Asia/Jakarta', event_time) as date) as market_date,
      greatest(market_date - date_added, 0) as age_days, starts_with(event_id, 'sim-') as simulated,
      case {BAND} end as discount_band
    from silver_listings where category is not null
    qualify row_number() over (
      partition by coalesce(shop, 'main'), product_id, market_date order by event_time desc, event_id desc
    ) = 1
  )
  select *, lead(market_date) over product as next_date, market_date - lag(market_date) over product as days,
    if(days is null, null, greatest(sales - lag(sales) over product, 0)) as units,
    lag(price) over product as price_before, lag(net_price) over product as net_before,
    lag(discount_pct) over product as discount_before,
    max(stock_quantity) over (partition by shop) > 0 as reports_stock,
    not reports_stock or (stock_quantity > 0 and lag(stock_quantity) over product > 0) as in_stock
  from states window product as (partition by shop, product_id order by market_date)
"""
EARNED = """
  select shop, category, discount_band, list(net_price * sales) as earned
  from product_days where next_date is null group by all
"""
PLAIN_BAND = BANDS[0][0]
LIFTS = pa.schema(
    [(name, pa.string()) for name in ("shop", "category", "discount_band")]
    + [(name, pa.float64()) for name in ("lift_low", "lift_high")]
)


class Retail(BatchJob):
    """Computes the tables again when a batch has brought listings."""

    name = "retail"
    tables = tuple(table for table, contract in contracts().items() if contract.job == "retail")
    kinds = ("listing",)

    def compute(self, news: News) -> Iterator[Change]:
        """All rows of the tables, from the present listings."""
        for table, rows in figures(self.prepared(news.dataset)):
            yield Change(table, rows)

    def prepared(self, rows_of: Callable[[str], ds.Dataset]) -> Views:
        """The view `product_days`, and `lift_intervals` of the bands of discounts."""
        days = run_sql(PRODUCT_DAYS, {"silver_listings": rows_of(LISTINGS)})
        return {"product_days": days, "lift_intervals": lift_intervals(days)}


def figures(views: Views) -> Iterator[tuple[str, pa.Table]]:
    """Each table of the job with its rows."""
    for table in Retail.tables:
        contract = contracts()[table]
        yield table, run_contract_sql(contract, views | reference_tables(sql_of(contract)))


def lift_intervals(product_days: pa.Table) -> pa.Table:
    """90 % interval of the lift of revenue, of each band with a discount: shop, category, band, ends."""
    bands = run_sql(EARNED, {"product_days": product_days})
    names = zip(*(bands[name].to_pylist() for name in LIFTS.names[:3]), strict=True)
    earned = {name: values.values.to_numpy() for name, values in zip(names, bands["earned"], strict=True)}
    rows = [
        (shop, category, band, *lift_interval(values, earned[shop, category, PLAIN_BAND]))
        for (shop, category, band), values in earned.items()
        if band != PLAIN_BAND and (shop, category, PLAIN_BAND) in earned
    ]
    return pa.Table.from_pylist([dict(zip(LIFTS.names, row, strict=True)) for row in rows], LIFTS)


JOB = Retail
