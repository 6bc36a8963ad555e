"""gold.price_elasticity and gold.discount_lift of a simulated shop, whose law of demand is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.sales import elasticity_tables as tables
from ml.sales.load import MOST_ROWS, SalesRows
from producers.simulate.shop import DISCOUNT_EFFECT, USUAL_PRICES, SampleShop
from tests.support.retail.listings import UNTIL, simulated_rows

Rows = list[dict[str, Any]]
PRODUCTS = 60
DAYS = 180


def of_seed(seed: int) -> tuple[SampleShop, Rows, Rows]:
    rows = simulated_rows(seed, PRODUCTS, DAYS, MOST_ROWS)
    return SampleShop(seed, PRODUCTS, DAYS, UNTIL), *tables.elasticity_tables(rows, 1)


@pytest.fixture(scope="module")
def measured() -> list[tuple[SampleShop, Rows, Rows]]:
    return [of_seed(seed) for seed in (1, 2)]


def columns(rows: Rows, *names: str) -> list[np.ndarray]:
    """Columns of the products, in their order."""
    products = sorted((row for row in rows if row["product_id"]), key=lambda row: row["product_id"])
    return [np.array([row[name] for row in products], dtype=float) for name in names]


def test_elasticities_are_near_the_truth_where_plain_regressions_are_not(
    measured: list[tuple[SampleShop, Rows, Rows]],
) -> None:
    for shop, rows, _ in measured:
        estimated, naive = columns(rows, "elasticity", "naive_elasticity")
        assert len(estimated) == PRODUCTS and np.abs(estimated - shop.elasticity).mean() <= 0.15
        assert np.abs(naive - shop.elasticity).mean() > 1
        for row in rows:
            if row["product_id"] == tables.ALL_PRODUCTS:
                truth = shop.elasticity[np.array(shop.category) == row["category"]].mean()
                assert abs(row["elasticity"] - truth) <= 0.15 and abs(row["naive_elasticity"] - truth) > 1


def test_intervals_cover_nine_of_ten_products(measured: list[tuple[SampleShop, Rows, Rows]]) -> None:
    inside = []
    for shop, rows, _ in measured:
        low, high = columns(rows, "elasticity_low", "elasticity_high")
        inside.append((low <= shop.elasticity) & (shop.elasticity <= high))
    assert 0.85 <= np.mean(inside) <= 0.95


def test_price_of_most_profit_is_near_the_true_one(measured: list[tuple[SampleShop, Rows, Rows]]) -> None:
    for shop, rows, _ in measured:
        (estimated,) = columns(rows, "elasticity")
        best, truth = (shop.unit_cost * e / (1 + e) for e in (estimated, shop.elasticity))
        assert np.abs(best / truth - 1).mean() <= 0.05


def test_lifts_hold_the_true_ones(measured: list[tuple[SampleShop, Rows, Rows]]) -> None:
    missed = []
    for shop, _, lifts in measured:
        assert {row["category"] for row in lifts} == set(USUAL_PRICES)
        for row in lifts:
            discount = row["average_discount_pct"] / 100
            own = shop.elasticity[np.array(shop.category) == row["category"]].mean()
            truth = np.expm1(own * np.log(1 - discount) + DISCOUNT_EFFECT * discount)
            assert row["lift_low"] < row["lift_units"] < row["lift_high"]
            missed.append(not row["lift_low"] <= truth <= row["lift_high"])
    assert np.mean(missed) <= 0.25, "of 90 % intervals, two bands of a category together"


def test_units_are_of_the_newest_price_without_discount(
    measured: list[tuple[SampleShop, Rows, Rows]],
) -> None:
    shop, rows, _ = measured[0]
    units, price = columns(rows, "units_a_day", "price")
    size = shop.size * (price / shop.usual) ** shop.elasticity
    ratio = units / size
    assert ratio.std() / ratio.mean() < 0.6, "season, week and past discounts remain"
    assert columns(rows, "price_low")[0].min() > 0


@pytest.fixture(scope="module")
def month() -> SalesRows:
    return simulated_rows(3, 24, 45)


def test_steady_prices_are_refused(month: SalesRows) -> None:
    steady = replace(
        month, inputs=dict(month.inputs) | dict.fromkeys(("price", "discount_pct"), 0 * month.sales + 10)
    )
    rows, lifts = tables.elasticity_tables(steady, 1)
    assert {(row["verdict"], row["reason"], row["elasticity"]) for row in rows} == {
        ("refused", tables.STEADY, None)
    }
    assert not lifts and {row["naive_elasticity"] for row in rows} == {None}


def test_few_products_few_days_and_no_series_are_refused(month: SalesRows) -> None:
    few = month.at(np.flatnonzero((month.category != "WINE") | (month.product < 17)))
    rows, lifts = tables.elasticity_tables(few, 1)
    wine = [row for row in rows if row["category"] == "WINE"]
    assert {row["reason"] for row in wine} == {tables.FEW_PRODUCTS} and len(wine) == 5
    assert "WINE" not in {row["category"] for row in lifts} and len(lifts) == 6
    short = month.at(np.flatnonzero((month.product != 1) | (month.day < month.day.min() + 20)))
    reasons = {row["product_id"]: row["reason"] for row in tables.elasticity_tables(short, 1)[0]}
    assert reasons[1] == tables.FEW_DAYS and reasons[5] is None
    rows, lifts = tables.elasticity_tables(replace(month, series=False), 1)
    assert [(row["product_id"], row["reason"]) for row in rows] == [(0, tables.NO_SERIES)] * 4 and not lifts


def test_days_of_a_test_follow_from_units_and_their_dispersion() -> None:
    assert tables.test_days(0, 1) is None
    days = tables.test_days(25, 1.5)
    assert days is not None
    random = np.random.default_rng(1)
    half = days // 2
    low, high = (random.negative_binomial(2 * mean * half, 2 / 3, 20000) for mean in (25 / 1.1, 25))
    shown = np.log(high / low) > 1.645 * np.sqrt(1.5 / low + 1.5 / high)
    assert 0.77 <= shown.mean() <= 0.83
