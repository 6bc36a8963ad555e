"""gold.sentiment as it is served: what states the polarity, and the products that posts name."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.table_rows import first_row, read_rows

TABLE = "gold.sentiment"
COUNTS = ("posts", "positive", "neutral", "negative")
NO_DAYS = arrow_schema(contracts()[TABLE]).empty_table()


def sentiment_model(snapshot: Snapshot) -> dict[str, Any] | None:
    """The `meta.model` of the table; None while it is empty. All of its rows are of one classifier."""
    row = first_row(snapshot, pc.scalar(True), ["classifier", "classifier_version"])
    if row is None:
        return None
    is_words = row["classifier"] == "lexicon"
    return {
        "name": row["classifier"],
        "version": row["classifier_version"],
        "run_id": "none",
        "alias": "baseline" if is_words else "champion",
        "trained_on": {},
    }


def product_counts(snapshot: Snapshot, shop: str) -> pa.Table:
    """Columns `product_name`, `category`, COUNTS and `newest`: all days of each product of the shop."""
    condition = (pc.field("subject_kind") == "product") & (pc.field("shop") == shop)
    days = read_rows(snapshot, condition, ["subject", "category", "market_date", *COUNTS])
    days = NO_DAYS if days is None else days
    sums = [(name, "sum") for name in COUNTS]
    totals = days.group_by(["subject", "category"]).aggregate([*sums, ("market_date", "max")])
    names = {"subject": "product_name", "market_date_max": "newest"} | {
        f"{name}_sum": name for name in COUNTS
    }
    return totals.rename_columns([names.get(name, name) for name in totals.column_names])
