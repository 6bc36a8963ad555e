"""The tables of a small shop, computed as their jobs do from listings and posts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql, run_sql
from lakehouse.sentiment.classifier import PolarityClassifier, classifier_of
from lakehouse.sentiment.daily import mentions_of
from lakehouse.sentiment.products import Product, ProductNames
from scripts.bench.api_lake import write
from streaming_jobs.gold.retail import LATEST, LATEST_SQL, REVENUE, TOP_PRODUCTS, category_rows
from tests.support.written_lake import complete

BEGAN = datetime(2026, 3, 1, 5, tzinfo=UTC)
CATEGORIES = ("BOOKS", "ELECTRONICS", "KITES")
NAMES = {1: "Radio Saku", 2: "Layangan Naga"}  # of the shop `main`; posts name them
POSTS = (
    "Radio Saku ini bagus",
    "radio saku saya jelek, kecewa",
    "RADIO SAKU baik",
    "Layangan naga terbang tinggi",
)


def shop_listings(products: int = 90, shop: str = "main") -> list[dict[str, Any]]:
    """Two states of each product, a day apart; kites are in no list."""
    random = np.random.default_rng(1)
    return [
        {
            "event_id": f"{'sim-' if shop == 'main' and not product else shop}{product}-{state}",
            "shop": shop,
            "product_id": product,
            "product_name": name_of(product, shop),
            "category": CATEGORIES[product % 3],
            "price": round(float(random.uniform(5, 500)), 2),
            "rating": round(float(random.uniform(1, 5)), 1),
            "num_reviews": int(random.integers(0, 900)),
            "stock_quantity": product % 7,
            "discount_pct": float(product % 5 * 9),
            "sales": 100 + product + 10 * state,
            "date_added": date(2026, 2, 1),
            "event_time": BEGAN + timedelta(days=state),
            "event_month": "2026-03",
        }
        for product in range(products)
        for state in (0, 1)
    ]


def name_of(product: int, shop: str) -> str:
    """Its name in the catalogue."""
    return NAMES[product] if shop == "main" and product in NAMES else f"product {product}"


def product_days(listings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of gold.sentiment: the POSTS, one a day."""
    names = ProductNames(Product(row["shop"], row["category"], row["product_name"]) for row in listings)
    posts = [
        {"content": text, "title": None, "symbols": [], "commodities": [], "_warnings": []}
        | {"event_time": BEGAN + timedelta(days=number), "market_date": BEGAN.date() + timedelta(days=number)}
        for number, text in enumerate(POSTS)
    ]
    return sentiment_of(posts, classifier_of(None), names)


def sentiment_of(
    posts: list[dict[str, Any]], classifier: PolarityClassifier, names: ProductNames
) -> list[dict[str, Any]]:
    """Rows of gold.sentiment, by the contract's SQL over all posts at once."""
    sentiment = contracts()["gold.sentiment"]
    views = {
        "mentions": mentions_of(posts, classifier, names),
        "gold_sentiment": arrow_schema(sentiment).empty_table(),
    }
    rows: list[dict[str, Any]] = run_contract_sql(sentiment, views).to_pylist()
    return rows


def fill_shop(root: str) -> list[dict[str, Any]]:
    """Write the tables of two shops with products of the same numbers; returns their listings."""
    listings = shop_listings() + shop_listings(12, "toko-b")
    write_figures(root, listings)
    write(root, "gold.sentiment", product_days(listings))
    return listings


def write_figures(root: str, listings: list[dict[str, Any]]) -> None:
    """Append what the listings give to the tables that a retail job computes."""
    silver = complete(contracts()["silver.listings"], listings)
    latest = run_sql(LATEST_SQL, {"silver_listings": silver})
    tables: dict[str, pa.Table] = {
        REVENUE: run_contract_sql(contracts()[REVENUE], {"silver_listings": silver}),
        TOP_PRODUCTS: run_contract_sql(contracts()[TOP_PRODUCTS], {LATEST: latest}),
    }
    for table, rows in category_rows(latest).items():
        tables[table] = pa.Table.from_pylist(rows, arrow_schema(contracts()[table]))
    for table, filled in tables.items():
        write(root, table, filled.to_pylist())
