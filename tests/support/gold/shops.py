"""Listings of shops, and posts."""

import random
from datetime import datetime, timedelta

from lakehouse.contracts.contract import contracts
from lakehouse.io.query import run_contract_sql, run_sql
from lakehouse.sentiment.classifier import classifier_of
from lakehouse.sentiment.products import ProductNames
from streaming_jobs.gold.retail import LATEST, LATEST_SQL, category_rows
from tests.support.gold.subject import BEGAN, Recomputation, Row, Tables
from tests.support.retail.shop_lake import sentiment_of, shop_listings


def listings(rng: random.Random) -> dict[str, list[Row]]:
    """States of the products of two shops."""
    return {"silver.listings": [*shop_listings(90), *shop_listings(40, "toko-b")]}


def shop_table(table: str) -> Recomputation:
    """By the SQL or the function of the table over all listings at once."""

    def recompute(tables: Tables, newest: datetime) -> list[Row]:
        views = {"silver_listings": tables["silver.listings"]}
        if table == "gold.revenue":
            rows: list[Row] = run_contract_sql(contracts()[table], views).to_pylist()
            return rows
        latest = run_sql(LATEST_SQL, views)
        if table == "gold.top_products":
            top: list[Row] = run_contract_sql(contracts()[table], {LATEST: latest}).to_pylist()
            return top
        return category_rows(latest)[table]

    return recompute


def posts(rng: random.Random) -> dict[str, list[Row]]:
    """Posts over ten days; every eighth repeats an earlier text."""
    texts = ("Harga cabai rawit naik lagi", "Cabai rawit turun, bawang merah langka", "Saham anjlok", "Rapat")
    rows = []
    for number in range(150):
        time = BEGAN + timedelta(hours=rng.randrange(240))
        about = {"content": rng.choice(texts), "title": rng.choice((None, "Harga beras naik"))}
        about |= {"symbols": rng.choice(([], ["BBRI"], ["BBRI", "BTCUSDT"]))}
        about |= {
            "commodities": rng.choice(([], ["garam"])),
            "market_date": (time + timedelta(hours=7)).date(),
        }
        warnings = ["text_repeated"] if number % 8 == 0 else []
        rows.append(about | {"event_id": f"p{number}", "event_time": time, "_warnings": warnings})
    return {"silver.posts": rows}


def sentiment(tables: Tables, newest: datetime) -> list[Row]:
    """By the contract's SQL over all posts at once."""
    return sentiment_of(tables["silver.posts"].to_pylist(), classifier_of(None), ProductNames([]))
