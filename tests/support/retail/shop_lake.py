"""The tables of a small shop, computed as their jobs do from listings and posts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow.dataset as ds

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql
from lakehouse.sentiment.classifier import PolarityClassifier, classifier_of
from lakehouse.sentiment.daily import mentions_of
from lakehouse.sentiment.products import Product, ProductNames
from scripts.bench.api_lake import write
from streaming_jobs.gold.retail import Retail, figures
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

# Products of a shop with a panel: days with a discount and its depth, days without stock.
PANEL: tuple[tuple[tuple[tuple[range, float], ...], range], ...] = (
    (((range(20, 27), 20.0),), range(0)),
    (((range(20, 25), 10.0), (range(25, 30), 30.0)), range(0)),  # one promotion of two depths
    (((range(55, 60), 25.0),), range(0)),  # it lasts
    (((range(30, 40), 20.0),), range(33, 36)),
    (((range(60), 15.0),), range(0)),  # no promotion: it was never without
    ((), range(50, 54)),
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


def panel_listings(shop: str = "panel", days: int = 60) -> list[dict[str, Any]]:
    """A state of each of PANEL a day. Discounts raise the units by half, but not those of product 3."""
    rows = []
    for product, (reductions, sold_out) in enumerate(PANEL):
        sales, stock = 500, 400
        discount = 0.0
        for day in range(days):
            demand = (4 + product + day % 2) * (1.5 if discount and product != 3 else 1)
            sold = min(int(demand), stock) if day else 0
            sales, stock = sales + sold, stock - sold
            if day in sold_out:
                stock = 0
            elif stock < 20:
                stock = 60
            discount = next((depth for span, depth in reductions if day in span), 0.0)
            rows.append(
                {
                    "event_id": f"{shop}{product}-{day}",
                    "shop": shop,
                    "product_id": product,
                    "product_name": name_of(product, shop),
                    "category": CATEGORIES[product % 3],
                    "price": 20.0 + 15 * product + (5 if day >= 45 else 0),
                    "rating": 3.0 + product / 5,
                    "num_reviews": 40 + day,
                    "stock_quantity": stock,
                    "discount_pct": discount,
                    "sales": sales,
                    "date_added": date(2026, 2, 1),
                    "event_time": BEGAN + timedelta(days=day),
                    "event_month": f"{BEGAN + timedelta(days=day):%Y-%m}",
                }
            )
    return rows


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
    """Write the tables of three shops with products of the same numbers; returns their listings."""
    listings = shop_listings() + shop_listings(12, "toko-b") + panel_listings()
    write_figures(root, listings)
    write(root, "gold.sentiment", product_days(listings))
    return listings


def write_figures(root: str, listings: list[dict[str, Any]]) -> None:
    """Append what the listings give to the tables that a retail job computes."""
    silver = ds.dataset(complete(contracts()["silver.listings"], listings))
    for table, rows in figures(Retail().prepared(lambda _: silver)):
        write(root, table, rows.to_pylist())
