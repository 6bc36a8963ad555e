"""silver.listings -> rows that a sales model learns from: a product's last state of each day, and which rows belong together."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import duckdb
import numpy as np
import numpy.typing as npt
from deltalake import DeltaTable
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lakehouse.paths import table_path
from lakehouse.sales import INPUTS

SOURCE = "silver.listings"
MOST_ROWS = 6000  # newest ones: the judging fits some two hundred models
Floats = npt.NDArray[np.float64]

QUERY = f"""
  select product_id, product_name, category, price, discount_pct, rating, num_reviews, stock_quantity, sales,
    epoch(event_time) / 86400 as day, date_added - date '1970-01-01' as day_added
  from silver_listings where sales is not null and category is not null
  qualify row_number() over (partition by product_id, cast(event_time as date) order by event_time desc, event_id) = 1
  order by event_time desc, product_id limit {MOST_ROWS}
"""


@dataclass(frozen=True)
class Listings:
    """Columns, each (rows,), oldest first. `group` numbers what may not be on both sides of a split."""

    inputs: Mapping[str, Floats]  # price in shop currency, discount_pct, rating in points, num_reviews
    category: npt.NDArray[np.str_]
    sales: Floats  # units so far
    day: Floats  # of the state, in days since 1970
    product: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    others: Mapping[str, Floats]  # columns that a caller of the model does not give

    def __len__(self) -> int:
        return len(self.sales)

    def at(self, rows: npt.NDArray[np.int64]) -> "Listings":
        """These rows only."""
        cut = {f.name: getattr(self, f.name) for f in fields(self)}
        return Listings(
            **{name: {k: v[rows] for k, v in c.items()} if isinstance(c, dict) else c[rows] for name, c in cut.items()}
        )


def read_listings(root: str) -> tuple[Listings | None, int]:
    """Rows of the lake `root` and the version of silver.listings; None and -1 without the table, None when it is empty."""
    path = table_path(root, SOURCE)
    if not DeltaTable.is_deltatable(path):
        return None, -1
    table = DeltaTable(path)
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set timezone = 'UTC'")
        con.register("silver_listings", table.to_pyarrow_dataset())
        found = con.execute(QUERY).fetchnumpy()
    columns = {
        name: np.ma.filled(values, np.nan) if values.dtype.kind == "f" else np.asarray(values) for name, values in found.items()
    }
    return (listings(columns) if len(columns["sales"]) else None), table.version()


def listings(columns: Mapping[str, np.ndarray]) -> Listings:
    """Rows from columns named as in the query, put in order of time."""
    order = np.argsort(columns["day"], kind="stable")
    own = {name: np.asarray(values)[order] for name, values in columns.items()}
    inputs = {name: own[name].astype(float) for name in INPUTS}
    product = own["product_id"].astype(np.int64)
    others = {"product_id": product.astype(float), "stock_quantity": own["stock_quantity"].astype(float)}
    others |= {"date_added": own["day_added"].astype(float), "event_time": own["day"].astype(float)}
    sales = own["sales"].astype(float)
    state = np.unique(np.column_stack([*inputs.values(), sales]), axis=0, return_inverse=True)[1].ravel()
    group = together(product, np.unique(own["product_name"].astype(str), return_inverse=True)[1], state)
    return Listings(inputs, own["category"].astype(str), sales, own["day"].astype(float), product, group, others)


def together(*labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(rows,) number of the group: rows that share any label, directly or through others, are one."""
    rows = len(labels[0])
    offsets = np.cumsum([rows, *(int(label.max()) + 1 if rows else 0 for label in compact(labels))])
    nodes = [label + offset for label, offset in zip(compact(labels), offsets, strict=False)]
    size = int(offsets[-1])
    ones = np.ones(rows * len(labels))
    links = coo_matrix((ones, (np.tile(np.arange(rows), len(labels)), np.concatenate(nodes))), shape=(size, size))
    return np.unique(connected_components(links, directed=False)[1][:rows], return_inverse=True)[1]


def compact(labels: tuple[npt.NDArray[np.int64], ...]) -> list[npt.NDArray[np.int64]]:
    return [np.unique(label, return_inverse=True)[1].ravel() for label in labels]
