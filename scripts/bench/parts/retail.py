"""A shop: a catalogue of many products into the tables, and its figures under load."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.io.delta import high_water_mark, open_if_exists
from lakehouse.reference import category_aliases
from scripts.bench.api_load import load
from scripts.bench.harness import run_module, temporary_stack
from scripts.stack.throwaway import Stack, StackFailed
from streaming_jobs.gold.retail import Retail

MEANS = (
    "seconds from the last acknowledged row of a catalogue to its last listing in silver, and to all gold of "
    "the shop, whole stack; then milliseconds from request to last byte at 32 connections, over those figures"
)
PATHS = ("revenue", "discount", "price-rating", "customer-satisfaction")
BEGAN = np.datetime64("2025-01-01")
POLL_SECONDS = 0.5
LONGEST_SECONDS = 600


def write_catalogue(file: Path, products: int) -> None:
    """One state of each product, as a shop would list it; nothing follows from anything.

    The header is that of conf/sources/shop_catalogue.yml.
    """
    draw = np.random.default_rng(0)
    names = sorted(set(category_aliases().values()))
    columns = {
        "ProductID": np.arange(1, products + 1),
        "ProductName": [f"product {number}" for number in range(products)],
        "Category": np.array(names)[draw.integers(0, len(names), products)],
        "Price": draw.uniform(1, 500, products).round(2),
        "Rating": draw.uniform(1, 5, products).round(1),
        "NumReviews": draw.integers(0, 5000, products),
        "StockQuantity": draw.integers(0, 900, products),
        "Discount": draw.integers(0, 50, products) / 100,
        "Sales": draw.integers(0, 2000, products),
        "DateAdded": BEGAN + draw.integers(0, 300, products).astype("timedelta64[D]"),
    }
    pd.DataFrame(columns).to_csv(file, index=False)


def seconds_until(stack: Stack, table: str, column: str | None, wanted: int) -> float:
    """Seconds until the table has `wanted` rows, or `wanted` in all of a column.

    Raises StackFailed after LONGEST_SECONDS.
    """
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < LONGEST_SECONDS:
        opened = open_if_exists(table, root=stack.lake_root)
        if opened is not None:
            rows = opened.count() if column is None else newest_sum(opened.to_pyarrow_table(), column)
            if rows >= wanted:
                return elapsed
        time.sleep(POLL_SECONDS)
    raise StackFailed(f"{table} has not reached {wanted} within {LONGEST_SECONDS} s")


def seconds_until_alike(stack: Stack) -> float:
    """Seconds until all gold of the shop is of the same batch. Raises StackFailed after LONGEST_SECONDS."""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < LONGEST_SECONDS:
        opened = [open_if_exists(table, root=stack.lake_root) for table in Retail.tables]
        if len({table and high_water_mark(table) for table in opened}) == 1:
            return elapsed
        time.sleep(POLL_SECONDS)
    raise StackFailed(f"gold of the shop is not of the same listings within {LONGEST_SECONDS} s")


def newest_sum(rows: pa.Table, column: str) -> int:
    """Sum of a column over the newest days."""
    newest = rows.filter(pc.field("newest"))
    return int(pc.sum(newest[column]).as_py() or 0)


def measure(products: int = 1_000_000, connections: int = 32, seconds: float = 6) -> dict[str, object]:
    """Figures as MEANS describes them."""
    with temporary_stack() as stack:
        file = stack.home.parent / "catalogue.csv"
        write_catalogue(file, products)
        with stack:
            began = time.monotonic()
            run_module(stack, "producers.csv.replay", str(file))
            sent = time.monotonic()
            to_silver = seconds_until(stack, "silver.listings", None, products)
            to_revenue = to_silver + seconds_until(stack, "gold.revenue", "products", products)
            to_gold = to_revenue + seconds_until_alike(stack)
            figures: dict[str, object] = {
                "products": products,
                "sending_seconds": round(sent - began, 1),
                "silver_seconds": round(to_silver, 1),
                "gold_seconds": round(to_gold, 1),
            }
            time.sleep(10)  # the API takes up the tables, and compaction ends
            figures |= {
                path: asyncio.run(load(stack.api_url, f"/analytics/{path}", connections, seconds))
                for path in PATHS
            }
    return figures
