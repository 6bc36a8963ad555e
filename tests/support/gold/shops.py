"""Listings of shops, and what is sold, rated and best of them, by plain Python."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
from scipy import stats

from lakehouse.shop import lift_interval
from tests.support.gold.subject import BEGAN, Row, Tables
from tests.support.retail.shop_lake import panel_listings, shop_listings

Products = dict[int, list[Row]]  # product -> its newest state of each day in Jakarta, in their order
MILLIONTH = Decimal("0.000001")
BANDS = {"0-5": (-1, 5), "5-15": (5, 15), "15-30": (15, 30), ">30": (30, 100)}


def listings(rng: random.Random) -> dict[str, list[Row]]:
    """States of the products of six shops; two have as many days as two periods need, one of them no stock,
    and one has a single day."""
    once = [row for row in shop_listings(30, "once") if row["event_id"].endswith("-0")]
    panels = [*panel_listings(), *panel_listings("exact", days=57)]
    panels += [row | {"stock_quantity": 0} for row in panel_listings("stockless")]
    return {
        "silver.listings": [
            *shop_listings(60),
            *once,
            *panels,
            *wandering(rng, "toko-b"),
            *wandering(rng, None),
        ]
    }


def wandering(rng: random.Random, shop: str | None) -> Iterator[Row]:
    """Products with days that are missing, two states a day, equal prices, limits of bands, falls of sales.

    Some change their category; TOYS has a product at first only. A row that an older version wrote names no
    shop: it is of `main`.
    """
    for product in range(200, 236):
        sales, categories = rng.randrange(300), ["WINE", "BOOKS"]
        days = rng.sample(range(75), (1, 2, 12, 25)[product % 4])
        for number, day in enumerate(sorted([*days, *days[:3]])):
            sales = max(sales + rng.choice((0, 0, 3, 9, 14, -5)), 0)
            categories = categories[::-1] if rng.random() < 0.03 else categories
            category = "TOYS" if product == 205 and number < 2 else categories[product % 2]
            yield {
                "event_id": f"{'sim-' if product == 210 and number == 1 else ''}{shop}{product}-{number}",
                "shop": shop,
                "product_id": product,
                "product_name": f"product {product}",
                "category": None if (product, number) == (203, 0) else category,
                "price": rng.choice((0.0, 20.0, 20.0, 75.5, rng.randrange(50000) / 100)),
                "rating": rng.choice((1.0, 3.5, 4.0, rng.randrange(10, 51) / 10)),
                "num_reviews": rng.randrange(900),
                "stock_quantity": rng.choice((0, 5, 40, 40, 900)),
                "discount_pct": rng.choice((0.0, 0.0, 0.0, 4.9, 5.0, 15.0, 30.0, 45.5, 100.0)),
                "sales": sales,
                "date_added": date(2026, 2, 1) + timedelta(days=product % 60),
                "event_time": BEGAN + timedelta(days=day, hours=rng.choice((3, 16, 17, 23))),
            }


def shops_of(tables: Tables) -> dict[str, Products]:
    """The products of each shop."""
    newest: dict[tuple[str, int, date], Row] = {}
    rows = tables["silver.listings"].to_pylist()
    for row in sorted(rows, key=lambda row: (row["event_time"], row["event_id"])):
        if row["category"] is not None:
            day = (row["event_time"] + timedelta(hours=7)).date()
            net = row["price"] * (1 - row["discount_pct"] / 100)
            newest[row["shop"] or "main", row["product_id"], day] = row | {"day": day, "net": net}
    stocked = {shop for (shop, _, _), row in newest.items() if row["stock_quantity"] > 0}
    shops: dict[str, Products] = defaultdict(lambda: defaultdict(list))
    for (shop, product, _), row in sorted(newest.items()):
        shops[shop][product].append(row | {"reports_stock": shop in stocked})
    return shops


def grouped(rows: Iterable[Row], name: str) -> dict[Any, list[Row]]:
    """The rows by their value of a column."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups


def categories_of(tables: Tables) -> Iterator[tuple[Row, list[Row], list[Row]]]:
    """Each category with the columns that name it, its products in their newest state, those of the shop."""
    for shop, products in shops_of(tables).items():
        every = [states[-1] for states in products.values()]
        for category, rows in grouped(every, "category").items():
            shared = {"shop": shop, "category": category, "market_date": max(row["day"] for row in rows)}
            yield shared | {"event_time": max(row["event_time"] for row in rows)}, rows, every


def exact(value: float) -> Decimal:
    return Decimal(value).quantize(MILLIONTH)


def revenue(tables: Tables, newest: datetime) -> list[Row]:
    """One day after the other: every product in its newest state up to the end of the day."""
    return [row for shop, products in shops_of(tables).items() for row in revenue_of(shop, products)]


def revenue_of(shop: str, products: Products) -> Iterator[Row]:
    states: dict[int, Row] = {}
    seen: dict[str, list[Row]] = defaultdict(list)
    result: dict[str, Row] = {}
    for day, changed in sorted(grouped((row for rows in products.values() for row in rows), "day").items()):
        touched = set()
        sold: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
        for row in changed:
            touched.add(row["category"])
            if before := states.get(row["product_id"]):
                touched.add(before["category"])
                units = max(row["sales"] - before["sales"], 0)
                sold[row["category"]].append((units, exact(units * before["net"])))
            states[row["product_id"]] = row
            seen[row["category"]].append(row)
        for category in touched:
            held = [row for row in states.values() if row["category"] == category]
            if earlier := result.pop(category, None):
                yield earlier | {"newest": False}
            if held:
                net = sum(exact(row["net"] * row["sales"]) for row in held)
                gross = sum(exact(row["price"] * row["sales"]) for row in held)
                result[category] = {
                    "shop": shop,
                    "category": category,
                    "market_date": day,
                    "newest": True,
                    "products": len(held),
                    "units_sold": sum(row["sales"] for row in held),
                    "revenue": float(net),
                    "gross_revenue": float(gross),
                    "discount_cost": float(gross - net),
                    "average_price": fmean(row["price"] for row in held),
                    "units_new": sum(units for units, _ in sold[category]),
                    "revenue_new": float(sum(amount for _, amount in sold[category])),
                    "simulated": any(row["event_id"].startswith("sim-") for row in seen[category]),
                    "event_time": max(row["event_time"] for row in seen[category]),
                }
    yield from result.values()


def discount_effect(tables: Tables, newest: datetime) -> list[Row]:
    """Means of the products of a band against those of the band without discount."""
    result = []
    for shared, rows, _ in categories_of(tables):
        bands = {
            name: [row for row in rows if low < row["discount_pct"] <= high]
            for name, (low, high) in BANDS.items()
        }
        for name, own in bands.items():
            if own:
                discount = fmean(row["discount_pct"] for row in own)
                low, high = ends(own, bands["0-5"]) if name != "0-5" else (None, None)
                result.append(
                    shared
                    | {
                        "discount_band": name,
                        "products": len(own),
                        "units_sold": sum(row["sales"] for row in own),
                        "revenue": sum(earned(own)),
                        "average_discount_pct": discount,
                        "lift_units": lift(units(own), units(bands["0-5"])),
                        "lift_revenue": lift(earned(own), earned(bands["0-5"])),
                        "lift_revenue_low": low,
                        "lift_revenue_high": high,
                        "break_even_lift": None if discount == 100 else 1 / (1 - discount / 100) - 1,
                        "effective": None if low is None else low > 0,
                    }
                )
    return result


def earned(rows: Sequence[Row]) -> list[float]:
    return [row["net"] * row["sales"] for row in rows]


def units(rows: Sequence[Row]) -> list[float]:
    return [row["sales"] for row in rows]


def lift(values: list[float], plain: list[float]) -> float | None:
    return fmean(values) / fmean(plain) - 1 if plain and fmean(plain) else None


def ends(own: list[Row], plain: list[Row]) -> tuple[float | None, float | None]:

    return lift_interval(np.array(earned(own)), np.array(earned(plain)))


def price_rating(tables: Tables, newest: datetime) -> list[Row]:
    """By scipy; the cheapest tenth of the products is the first band."""
    result = []
    for shared, rows, _ in categories_of(tables):
        price, rating = [row["net"] for row in rows], [row["rating"] for row in rows]
        n = len(rows)
        figures: Row = {"n": n, "average_price": fmean(row["price"] for row in rows), "bands": []}
        figures["average_rating"] = fmean(rating)
        if n >= 20:
            pearson = stats.pearsonr(price, rating)
            figures |= {
                "correlation": pearson.statistic,
                "spearman": stats.spearmanr(price, rating).statistic,
            }
            figures["ci_low"], figures["ci_high"] = pearson.confidence_interval(0.95)
            parts = grouped(
                (
                    {"part": place * min(10, n // 5) // n, "price": price, "rating": rating}
                    for place, (price, rating) in enumerate(sorted(zip(price, rating, strict=True)))
                ),
                "part",
            )
            figures["bands"] = sorted(map(band_of, parts.values()), key=lambda band: [*band.values()])
        result.append(shared | figures)
    return result


def band_of(part: list[Row]) -> Row:
    ratings = [row["rating"] for row in part]
    half = stats.norm.ppf(0.975) * stdev(ratings) / len(part) ** 0.5
    mean = fmean(ratings)
    prices = {"price_low": part[0]["price"], "price_high": part[-1]["price"], "products": len(part)}
    return prices | {"rating": mean, "rating_low": mean - half, "rating_high": mean + half}


def customer_satisfaction(tables: Tables, newest: datetime) -> list[Row]:
    """On the scale of 1 to 5."""
    result = []
    for shared, rows, every in categories_of(tables):
        m, c = fmean(row["rating"] for row in every), median(row["num_reviews"] for row in every)
        reviews, sold = sum(row["num_reviews"] for row in rows), sum(row["sales"] for row in rows)
        bayesian = (c * m + sum(row["num_reviews"] * row["rating"] for row in rows)) / (c + reviews)
        old = [row for row in rows if row["day"] > row["date_added"]]
        a_day = sum(row["sales"] / (row["day"] - row["date_added"]).days for row in old)
        result.append(
            shared
            | {
                "products": len(rows),
                "average_rating": fmean(row["rating"] for row in rows),
                "bayesian_rating": bayesian,
                "prior_rating": m,
                "prior_reviews": c,
                "satisfaction_index": 25 * (bayesian - 1),
                "reviews": reviews,
                "high_rating_pct": 100 * fmean(row["rating"] >= 4 for row in rows),
                "engagement": reviews / sold if sold else 0.0,
                "stock_quantity": sum(row["stock_quantity"] for row in rows),
                "sold_out": sum(row["stock_quantity"] == 0 for row in rows),
                "days_of_cover": sum(row["stock_quantity"] for row in old) / a_day if a_day else None,
            }
        )
    return result
