"""silver.listings -> rows to train a sales model on, with their groups.

Where most products are reported again and again, a row is a product from one day's last state to the next,
and its sales are the units a day between them. Elsewhere a row is a product's last state of a day, and its
sales are the units so far.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lakehouse.io.delta import open_if_exists
from lakehouse.io.query import connect, run_sql
from lakehouse.reference import DEFAULT_SHOP
from lakehouse.sales import INPUTS

LISTINGS = "silver.listings"
MOST_ROWS = 40_000  # newest ones
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_STATES = 8  # days of the median product, from which on the shop is a series: one more than a week
PAST = ("past_week", "past_weeks")
LONGEST_GAP_DAYS = 7  # between two states; a longer one is no rate of a day

STATES = """
  states as (
    select product_id, product_name, category, price, discount_pct, rating, num_reviews, stock_quantity,
      sales, epoch(event_time) / 86400 as day, date_added - date '1970-01-01' as day_added
    from silver_listings where sales is not null and category is not null
    qualify row_number() over (
      partition by product_id, cast(event_time as date) order by event_time desc, event_id) = 1
  )
"""
COUNT = f"with {STATES} select median(n) from (select count(*) as n from states group by product_id)"
QUERY = f"with {STATES} select * from states order by day desc, product_id"
LEAST_STOCK_DAYS = 3
# With less stock than for a few of its median days, a product may sell what there is, not what is wanted:
# such rows are left out, unless the shop never reports stock. To leave out only those that did sell out would
# hide the days of the highest demand.
SERIES = f"""
  with {STATES}, pairs as (
    select *, lead(sales) over product - sales as sold, lead(day) over product - day as days,
      lead(stock_quantity) over product as later_stock,
      coalesce(avg(discount_pct) over week_before, 0) as past_week,
      coalesce(avg(discount_pct) over weeks_before, 0) as past_weeks
    from states window product as (partition by product_id order by day),
      week_before as (product range between 7.5 preceding and 0.5 preceding),
      weeks_before as (product range between 14.5 preceding and 7.5 preceding)
  ), rates as (
    select *, sold / days as rate, median(sold / days) over (partition by product_id) as usual,
      max(stock_quantity) over () = 0 as no_stock
    from pairs where sold >= 0 and days <= {LONGEST_GAP_DAYS}
  )
  select * exclude (sold, days, later_stock, rate, usual, no_stock) replace (rate as sales) from rates
  where no_stock or (later_stock > 0 and stock_quantity >= {LEAST_STOCK_DAYS} * usual * days)
  order by day desc, product_id
"""


@dataclass(frozen=True)
class SalesRows:
    """Columns, each (rows,), oldest first. Rows of one `group` are never on both sides of a split."""

    inputs: Mapping[str, Floats]  # price in shop currency, discount_pct, rating in points, num_reviews
    category: npt.NDArray[np.str_]
    sales: Floats  # units so far, or of a series units a day
    day: Floats  # of the state, in days since 1970
    product: Ints
    product_name: npt.NDArray[np.str_]
    group: Ints
    others: Mapping[str, Floats]  # columns that a caller of the model does not give
    past: Floats  # (rows, 2) mean discount_pct of the 7 days before, and of the 7 before those; of a series
    series: bool = False  # whether sales are units a day

    def __len__(self) -> int:
        return len(self.sales)

    def at(self, rows: Ints) -> "SalesRows":
        """These rows only."""
        names = ("category", "sales", "day", "product", "product_name", "group", "past")
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        inputs, others = (
            {name: values[rows] for name, values in each.items()} for each in (self.inputs, self.others)
        )
        return replace(self, inputs=inputs, others=others, **columns)


def shops_of(root: str) -> list[str]:
    """Shops with listings in the lake `root`, by name; none without the table."""
    table = open_if_exists(LISTINGS, root=root)
    if table is None:
        return []
    sql = f"select distinct coalesce(shop, '{DEFAULT_SHOP}') as shop from silver_listings order by shop"
    names: list[str] = run_sql(sql, {"silver_listings": table.to_pyarrow_dataset()})["shop"].to_pylist()
    return names


def read_listings(root: str, shop: str = DEFAULT_SHOP) -> tuple[SalesRows | None, int]:
    """The newest rows of a shop in the lake `root`, and the version of silver.listings.

    Rows are None when the table is empty; None and -1 without the table.
    """
    table = open_if_exists(LISTINGS, root=root)
    if table is None:
        return None, -1
    of_shop = pc.coalesce(pc.field("shop"), pc.scalar(DEFAULT_SHOP)) == shop
    with connect(threads=1) as database:
        database.register("silver_listings", table.to_pyarrow_dataset().filter(of_shop))
        counted = database.execute(COUNT).fetchone()
        series = bool(counted and counted[0] and counted[0] >= LEAST_STATES)
        fetched = database.execute(f"{SERIES if series else QUERY} limit {MOST_ROWS}").fetchnumpy()
    columns = plain_columns(fetched)
    return (sales_rows(columns, series) if len(columns["sales"]) else None), table.version()


def plain_columns(fetched: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The query's columns as plain arrays, null as NaN."""
    return {
        name: np.ma.filled(values, np.nan) if values.dtype.kind == "f" else np.asarray(values)
        for name, values in fetched.items()
    }


def sales_rows(columns: Mapping[str, np.ndarray], series: bool = False) -> SalesRows:
    """Rows from columns named as in the query, in order of time."""
    order = np.argsort(columns["day"], kind="stable")
    ordered = {name: np.asarray(values)[order] for name, values in columns.items()}
    inputs = {name: ordered[name].astype(float) for name in INPUTS}
    product = ordered["product_id"].astype(np.int64)
    sales = ordered["sales"].astype(float)
    name = np.unique(ordered["product_name"].astype(str), return_inverse=True)[1]
    state = np.unique(np.column_stack([*inputs.values(), sales]), axis=0, return_inverse=True)[1].ravel()
    return SalesRows(
        inputs=inputs,
        category=ordered["category"].astype(str),
        sales=sales,
        day=ordered["day"].astype(float),
        product=product,
        product_name=ordered["product_name"].astype(str),
        group=connected_groups(product, name, state),
        others={
            "product_id": product.astype(float),
            "stock_quantity": ordered["stock_quantity"].astype(float),
            "date_added": ordered["day_added"].astype(float),
            "event_time": ordered["day"].astype(float),
        },
        past=np.column_stack([ordered.get(name, np.zeros(len(sales))) for name in PAST]),
        series=series,
    )


def connected_groups(*labels: Ints) -> Ints:
    """(rows,) group numbers: rows that share any label, directly or through other rows, are one group."""
    rows = len(labels[0])
    numbered = [np.unique(label, return_inverse=True)[1].ravel() for label in labels]
    offsets = np.cumsum([rows, *(int(label.max()) + 1 if rows else 0 for label in numbered)])
    nodes = [label + offset for label, offset in zip(numbered, offsets, strict=False)]
    size = int(offsets[-1])
    edges = (np.tile(np.arange(rows), len(labels)), np.concatenate(nodes))
    graph = coo_matrix((np.ones(rows * len(labels)), edges), shape=(size, size))
    component: Ints = connected_components(graph, directed=False)[1][:rows]
    return np.unique(component, return_inverse=True)[1]
