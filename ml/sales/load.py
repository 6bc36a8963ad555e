"""silver.listings -> rows to train a sales model on: a product's last state of each day, with its group."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lakehouse.io.delta import open_if_exists
from lakehouse.io.query import connect
from lakehouse.sales import INPUTS

LISTINGS = "silver.listings"
MOST_ROWS = 6000  # newest ones: an evaluation fits some two hundred models
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

QUERY = f"""
  select product_id, product_name, category, price, discount_pct, rating, num_reviews, stock_quantity, sales,
    epoch(event_time) / 86400 as day, date_added - date '1970-01-01' as day_added
  from silver_listings where sales is not null and category is not null
  qualify row_number() over (
    partition by product_id, cast(event_time as date) order by event_time desc, event_id) = 1
  order by event_time desc, product_id limit {MOST_ROWS}
"""


@dataclass(frozen=True)
class SalesRows:
    """Columns, each (rows,), oldest first. Rows of one `group` are never on both sides of a split."""

    inputs: Mapping[str, Floats]  # price in shop currency, discount_pct, rating in points, num_reviews
    category: npt.NDArray[np.str_]
    sales: Floats  # units so far
    day: Floats  # of the state, in days since 1970
    product: Ints
    group: Ints
    others: Mapping[str, Floats]  # columns that a caller of the model does not give

    def __len__(self) -> int:
        return len(self.sales)

    def at(self, rows: Ints) -> "SalesRows":
        """These rows only."""
        return SalesRows(
            inputs={name: values[rows] for name, values in self.inputs.items()},
            category=self.category[rows],
            sales=self.sales[rows],
            day=self.day[rows],
            product=self.product[rows],
            group=self.group[rows],
            others={name: values[rows] for name, values in self.others.items()},
        )


def read_listings(root: str) -> tuple[SalesRows | None, int]:
    """Rows of the lake `root` and the version of silver.listings.

    Rows are None when the table is empty; None and -1 without the table.
    """
    table = open_if_exists(LISTINGS, root=root)
    if table is None:
        return None, -1
    with connect(threads=1) as database:
        database.register("silver_listings", table.to_pyarrow_dataset())
        fetched = database.execute(QUERY).fetchnumpy()
    columns = {
        name: np.ma.filled(values, np.nan) if values.dtype.kind == "f" else np.asarray(values)
        for name, values in fetched.items()
    }
    return (sales_rows(columns) if len(columns["sales"]) else None), table.version()


def sales_rows(columns: Mapping[str, np.ndarray]) -> SalesRows:
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
        group=connected_groups(product, name, state),
        others={
            "product_id": product.astype(float),
            "stock_quantity": ordered["stock_quantity"].astype(float),
            "date_added": ordered["day_added"].astype(float),
            "event_time": ordered["day"].astype(float),
        },
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
