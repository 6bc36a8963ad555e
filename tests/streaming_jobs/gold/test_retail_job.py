"""The tables of a shop equal their recomputation from all listings, for any cut into batches."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lakehouse.io.delta import empty_table, open_table
from lakehouse.shop import drawn_means, lift_interval
from streaming_jobs.gold.retail import Retail
from tests.support.written_lake import finish, write

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
MILLIONTH = Decimal("0.000001")
Row = dict[str, Any]
pytestmark = pytest.mark.usefixtures("lake")


def listings(seed: int, count: int, products: int) -> list[Row]:
    """States of products over nine days; some at the same time, some in another category than before.

    Two shops have products of the same numbers; a row that an older version wrote names no shop.
    """
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        product = rng.randrange(products)
        time = BEGAN + timedelta(hours=rng.randrange(216))
        moved = rng.random() < 0.03
        rows.append(
            {
                "event_id": f"{'sim-' if number == 5 else ''}l{number:05}",
                "shop": "toko-b" if number % 4 == 0 else None if number == 7 else "main",
                "product_id": product,
                "product_name": f"product {product}",
                "category": ("WINE", "BOOKS", "SOCKS")[(product + moved) % 3],
                "price": round(rng.uniform(0, 500), 2),
                "rating": round(rng.uniform(1, 5), 1),
                "num_reviews": rng.randrange(900),
                "stock_quantity": rng.choice((0, 5, 900)),
                "discount_pct": rng.choice((0.0, 5.0, 7.0, 30.0, 45.5, 100.0)),
                "sales": rng.randrange(3000),
                "date_added": date(2026, 2, 25) + timedelta(days=product % 6),
                "event_time": time,
                "event_month": "2026-03",
            }
        )
    return rows


def local_day(row: Row) -> date:
    return (row["event_time"] + timedelta(hours=7)).date()


def newest(rows: Iterable[Row]) -> Row:
    return max(rows, key=lambda row: (row["event_time"], row["event_id"]))


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def latest(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Category -> newest state of each product."""
    states = [newest(group) for group in grouped(rows, lambda row: row["product_id"]).values()]
    return grouped(states, lambda row: row["category"])


def net(row: Row) -> float:
    return row["price"] * (1 - row["discount_pct"] / 100)


def exact(value: float) -> Decimal:
    return Decimal(value).quantize(MILLIONTH)


def revenue_rows(rows: list[Row]) -> dict[tuple, Row]:
    """One day after the other: every product in its newest state up to the end of the day."""
    result = {}
    states: dict[int, Row] = {}
    for day, of_day in sorted(grouped(rows, local_day).items()):
        changed = {
            product: newest(group)
            for product, group in grouped(of_day, lambda row: row["product_id"]).items()
        }
        touched = {row["category"] for row in changed.values()}
        touched |= {states[product]["category"] for product in changed if product in states}
        sold: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
        for product, row in changed.items():
            if product in states:
                units = max(row["sales"] - states[product]["sales"], 0)
                sold[row["category"]].append((units, exact(units * net(states[product]))))
        states |= changed
        for category in touched:
            held = [row for row in states.values() if row["category"] == category]
            if held:
                result[category, day] = {
                    "products": len(held),
                    "units_sold": sum(row["sales"] for row in held),
                    "revenue": float(sum(exact(net(row) * row["sales"]) for row in held)),
                    "gross_revenue": float(sum(exact(row["price"] * row["sales"]) for row in held)),
                    "average_price": fmean(row["price"] for row in held),
                    "units_new": sum(units for units, _ in sold[category]),
                    "revenue_new": float(sum(amount for _, amount in sold[category])),
                }
    simulated = [(row["category"], local_day(row)) for row in rows if row["event_id"].startswith("sim-")]
    for category in {key[0] for key in result}:
        days = [day for name, day in result if name == category]
        began = [day for name, day in simulated if name == category]
        for day in days:
            result[category, day]["newest"] = day == max(days)
            result[category, day]["simulated"] = any(first <= day for first in began)
    return result


def discount_table(rows: list[Row]) -> dict[tuple, Row]:
    limits = {"0-5": (-1, 5), "5-15": (5, 15), "15-30": (15, 30), ">30": (30, 100)}
    result = {}
    for category, states in latest(rows).items():
        bands = {
            name: [row for row in states if low < row["discount_pct"] <= high]
            for name, (low, high) in limits.items()
        }
        plain = bands["0-5"]
        for name, own in bands.items():
            if own:
                discount = fmean(row["discount_pct"] for row in own)
                earned = [net(row) * row["sales"] for row in own]
                lift = fmean(row["sales"] for row in own) / fmean(row["sales"] for row in plain) - 1
                base = fmean(net(row) * row["sales"] for row in plain)
                result[category, name] = {
                    "products": len(own),
                    "units_sold": sum(row["sales"] for row in own),
                    "revenue": sum(earned),
                    "average_discount_pct": discount,
                    "lift_units": lift,
                    "lift_revenue": fmean(earned) / base - 1,
                    "break_even_lift": None if discount == 100 else 1 / (1 - discount / 100) - 1,
                }
    return result


def rating_table(rows: list[Row]) -> dict[tuple, Row]:
    result = {}
    for category, states in latest(rows).items():
        price = [net(row) for row in states]
        rating = [row["rating"] for row in states]
        pearson = stats.pearsonr(price, rating)
        interval = pearson.confidence_interval(0.95)
        known = len(states) >= 20
        result[category,] = {
            "n": len(states),
            "correlation": pearson.statistic if known else None,
            "spearman": stats.spearmanr(price, rating).statistic if known else None,
            "ci_low": interval.low if known else None,
            "ci_high": interval.high if known else None,
            "average_price": fmean(row["price"] for row in states),
            "average_rating": fmean(rating),
        }
    return result


def satisfaction_table(rows: list[Row]) -> dict[tuple, Row]:
    every = [row for states in latest(rows).values() for row in states]
    m, c = fmean(row["rating"] for row in every), median(row["num_reviews"] for row in every)
    result = {}
    for category, states in latest(rows).items():
        reviews = sum(row["num_reviews"] for row in states)
        bayesian = (c * m + sum(row["num_reviews"] * row["rating"] for row in states)) / (c + reviews)
        old = [row for row in states if local_day(row) > row["date_added"]]
        rate = sum(row["sales"] / (local_day(row) - row["date_added"]).days for row in old)
        result[category,] = {
            "bayesian_rating": bayesian,
            "satisfaction_index": 25 * (bayesian - 1),
            "reviews": reviews,
            "high_rating_pct": 100 * fmean(row["rating"] >= 4 for row in states),
            "engagement": reviews / sum(row["sales"] for row in states),
            "sold_out": sum(row["stock_quantity"] == 0 for row in states),
            "days_of_cover": sum(row["stock_quantity"] for row in old) / rate,
        }
    return result


RECOMPUTED = {
    "gold.revenue": (("category", "market_date"), revenue_rows),
    "gold.discount_effect": (("category", "discount_band"), discount_table),
    "gold.price_rating": (("category",), rating_table),
    "gold.customer_satisfaction": (("category",), satisfaction_table),
}


def rows_of(table: str) -> list[Row]:
    rows: list[Row] = open_table(table).to_pyarrow_table().to_pylist()
    return rows


def by_shop(rows: list[Row]) -> Iterable[tuple[str, list[Row]]]:
    return grouped(rows, lambda row: row["shop"] or "main").items()


def assert_equals(rows: list[Row]) -> None:
    for table, (key, recompute) in RECOMPUTED.items():
        gold = {(row["shop"], *(row[name] for name in key)): row for row in rows_of(table)}
        wanted = {(shop, *place): row for shop, own in by_shop(rows) for place, row in recompute(own).items()}
        assert gold.keys() == wanted.keys() and wanted, table
        for place, row in wanted.items():
            for name, value in row.items():
                assert gold[place][name] == pytest.approx(value, rel=1e-9, abs=1e-7), (table, place, name)
    for row in rows_of("gold.discount_effect"):
        low = row["lift_revenue_low"]
        assert row["effective"] is (None if low is None else low > 0)
    tops = grouped(rows_of("gold.top_products"), lambda row: (row["shop"], row["category"]))
    for shop, own in by_shop(rows):
        for category, states in latest(own).items():
            best = sorted(states, key=lambda row: (-net(row) * row["sales"], row["product_id"]))[:20]
            top = sorted(tops[shop, category], key=lambda row: row["rank"])
            assert [row["product_id"] for row in top] == [row["product_id"] for row in best], (
                "gold.top_products"
            )


@pytest.mark.parametrize(("seed", "cuts"), [(1, 1), (2, 6)])
def test_tables_follow_listings_for_any_cut_into_batches(seed: int, cuts: int) -> None:
    rows = listings(seed, 700, 150)
    job = Retail()
    shuffled = random.Random(seed).sample(rows, len(rows))
    size = -(-len(rows) // cuts)
    for number in range(cuts):
        batch = datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=number)
        write("silver.listings", shuffled[number * size : (number + 1) * size])
        finish(batch, kind="listing")
        if number % 2:
            job.refresh()
    job.refresh()
    assert_equals(rows)
    tables = Retail.tables
    versions = [open_table(table).version() for table in tables]
    Retail().refresh()
    assert [open_table(table).version() for table in tables] == versions, "nothing new, nothing written"
    for table in ("silver.listings", "gold.balance", *tables):  # as a rebuild does
        empty_table(table)
    job.refresh()
    assert all(not rows_of(table) for table in tables)
    write("silver.listings", rows)
    finish(datetime(2026, 4, 2, tzinfo=UTC), kind="listing")
    job.refresh()
    assert_equals(rows)


def test_figures_that_are_not_defined_are_null() -> None:
    few = [
        row
        | {"discount_pct": 45.5, "sales": 0, "num_reviews": 0, "date_added": local_day(row), "rating": 3.0}
        for row in listings(3, 12, 12)
    ]
    huge = few[0] | {"event_id": "x", "product_id": 99, "sales": 2**53 - 1}
    write(
        "silver.listings",
        [*few, huge, huge | {"event_id": "y", "product_id": 98}, few[1] | {"category": None}],
    )
    finish(datetime(2026, 4, 1, tzinfo=UTC), kind="listing")
    Retail().refresh()
    for row in rows_of("gold.discount_effect"):
        nulls = ("lift_units", "lift_revenue", "lift_revenue_low", "lift_revenue_high", "effective")
        assert all(row[name] is None for name in nulls)
    assert all(row["correlation"] is None and not row["bands"] for row in rows_of("gold.price_rating"))
    satisfaction = {row["category"]: row for row in rows_of("gold.customer_satisfaction")}
    assert all(
        row["bayesian_rating"] == 3.0 and row["days_of_cover"] is None for row in satisfaction.values()
    )
    assert max(row["units_sold"] for row in rows_of("gold.revenue")) == 2**53 - 1
    assert {row["effective"] for row in rows_of("gold.discount_effect")} == {None}


def test_lift_interval_covers_the_true_lift_in_nine_of_ten_samples() -> None:
    random_source = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        low, high = lift_interval(random_source.gamma(4, 3.0, 60), random_source.gamma(4, 2.5, 60))
        assert low is not None and high is not None
        held += low <= 3.0 / 2.5 - 1 <= high
    assert 0.84 <= held / 300 <= 0.95
    many = random_source.gamma(4, 3.0, 1001)
    spread = [drawn_means(values, np.random.default_rng(1)).std() for values in (many, many[:1000])]
    assert spread[0] == pytest.approx(spread[1], rel=0.15), "the normal limit is as wide as the draws"
