"""Posts, and their sentiment."""

import random
from datetime import datetime, timedelta

from lakehouse.sentiment.classifier import classifier_of
from lakehouse.sentiment.products import ProductNames
from tests.support.gold.subject import BEGAN, Row, Tables
from tests.support.retail.shop_lake import sentiment_of


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
