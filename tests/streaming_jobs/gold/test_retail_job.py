"""Figures of a shop that can be checked by eye: promotions, stock, periods; nulls; the interval of lift."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest

from lakehouse.contracts.contract import contracts
from lakehouse.shop import drawn_means, lift_interval
from streaming_jobs.gold.retail import Retail, figures
from tests.support.written_lake import complete

BEGAN = date(2026, 3, 1)
LARGEST = 2**53 - 1
Row = dict[str, Any]


def states(
    units: Sequence[int],
    discounts: dict[range, float] | None = None,
    days: Sequence[int] | None = None,
    **columns: Any,
) -> list[Row]:
    """A state a day at noon; the nth shows `units[n]` more sold than the one before, at 10 apiece."""
    rows, sales = [], 0
    for number, (day, sold) in enumerate(zip(days or range(len(units)), units, strict=True)):
        sales += sold
        given = {"product_id": 1, "category": "WINE", "price": 10.0, "stock_quantity": 50} | columns
        given = {name: v[number] if isinstance(v, list) else v for name, v in given.items()}
        discount = next((depth for span, depth in (discounts or {}).items() if day in span), 0.0)
        time = datetime(2026, 3, 1, 5, tzinfo=UTC) + timedelta(days=day)
        row = {"event_id": f"{given['product_id']}-{number}", "event_time": time, "sales": sales}
        rows.append({"shop": "s", "discount_pct": discount, "date_added": BEGAN, **row, **given})
    return rows


def computed(rows: list[Row]) -> dict[str, list[Row]]:
    """Table -> its rows."""
    silver = ds.dataset(complete(contracts()["silver.listings"], rows))
    return {
        table.partition(".")[2]: given.to_pylist()
        for table, given in figures(Retail().prepared(lambda _: silver))
    }


def day(number: int) -> date:
    return BEGAN + timedelta(days=number)


def test_promotion_is_compared_with_the_days_around_it() -> None:
    """4 a day, 8 at half the price, then 2: what was gained is what was not pulled forward."""
    units = [0] + [4] * 20 + [8] * 5 + [2] * 20
    (promotion,) = computed(states(units, {range(20, 25): 50.0}))["promotions"]
    assert (promotion["began_on"], promotion["ended_on"], promotion["days"]) == (day(20), day(24), 5)
    rates = [promotion[f"units_{part}"] for part in ("before", "during", "after")]
    assert rates == [4, 8, 2]
    assert (promotion["lift_units"], promotion["break_even_lift"], promotion["price"]) == (1, 1, 10)
    assert promotion["extra_units"] == 5 * (8 - 4) + 14 * (2 - 4)
    assert promotion["extra_revenue"] == 5 * (8 * 5 - 4 * 10) + 14 * (2 - 4) * 10
    assert promotion["paid_off"] is False
    assert promotion["event_time"].date() == day(39), "the last of the 14 days after"


def test_days_after_a_promotion_end_where_the_next_one_begins() -> None:
    """2 a day for three days after the first, 8 during the second, then 4."""
    units = [0] + [4] * 20 + [8] * 5 + [2] * 3 + [8] * 5 + [4] * 20
    reduced = {range(20, 25): 50.0, range(28, 33): 50.0}
    first, second = sorted(computed(states(units, reduced))["promotions"], key=lambda row: row["began_on"])
    assert (first["units_after"], second["units_after"]) == (2, 4)
    assert first["extra_units"] == 5 * (8 - 4) + 3 * (2 - 4)
    assert second["units_before"] == pytest.approx((6 * 4 + 3 * 2) / 9), (
        "of the 14 days before, without the first"
    )


def test_running_promotion_has_no_end_and_no_days_after() -> None:
    (promotion,) = computed(states([0] + [4] * 9 + [6] * 3, {range(9, 99): 5.0}))["promotions"]
    assert (promotion["ended_on"], promotion["days"], promotion["units_after"]) == (None, 3, None)
    assert promotion["extra_units"] == 6 and promotion["paid_off"] is True
    (begun,) = computed(states([0] + [4] * 9, {range(9, 99): 20.0}))["promotions"]
    assert (begun["days"], begun["discount_pct"], begun["units_during"], begun["paid_off"]) == (
        0,
        20,
        None,
        None,
    )


def test_back_to_back_depths_are_one_promotion_with_their_mean_by_days() -> None:
    depths = {range(10, 12): 10.0, range(12, 18): 30.0, range(30, 33): 15.0}
    first, second = computed(states([0] + [4] * 40, depths))["promotions"]
    assert (first["days"], first["discount_pct"]) == (8, 25)
    assert (second["began_on"], second["discount_pct"]) == (day(30), 15)
    assert second["units_before"] == 4, "of the 12 days since the other one"


def test_days_without_stock_count_neither_for_a_promotion_nor_as_demand() -> None:
    stock = [0 if number in (12, 13) else 50 for number in range(21)]
    units = [0] + [4] * 10 + [10, 3, 0, 0] + [10] * 3 + [4] * 3
    tables = computed(states(units, {range(10, 17): 20.0}, stock_quantity=stock))
    (promotion,) = tables["promotions"]
    assert (promotion["days"], promotion["units_during"], promotion["extra_units"]) == (7, 10, 4 * 6)
    (supply,) = tables["product_supply"]
    assert (supply["days_in_stock"], supply["days_sold_out"], supply["basis"]) == (17, 3, "observed")
    assert supply["units_a_day"] == pytest.approx((4 * 10 + 10 * 4 + 4 * 3) / 17)
    assert supply["sell_through_pct"] == pytest.approx(100 * 95 / (95 + 50))


def test_product_that_is_always_reduced_has_no_promotion() -> None:
    rows = states([0] + [4] * 20, {range(99): 20.0}) + states([0] + [4] * 20, {range(5): 20.0}, product_id=2)
    assert computed(rows)["promotions"] == [], "of the second no one knows when it began"


def test_of_two_states_a_day_the_later_one_counts() -> None:
    rows = states([0, 4, 4])
    late = rows[1] | {
        "event_id": "late",
        "sales": 6,
        "event_time": rows[1]["event_time"] + timedelta(hours=9),
    }
    tables = computed([*rows, late])
    assert [row["units_new"] for row in tables["revenue"]] == [0, 6, 2]
    assert tables["product_supply"][0]["units_a_day"] == 4
    next_day = late | {"event_time": rows[1]["event_time"] + timedelta(hours=12)}  # midnight in Jakarta
    assert [row["units_new"] for row in computed([*rows[:2], next_day])["revenue"]] == [0, 4, 2]


def test_units_of_a_product_that_changed_its_category_are_of_the_new_one() -> None:
    rows = states([0, 3, 5], category=["WINE", "WINE", "BOOKS"]) + states([0, 1, 1], product_id=2)
    periods = {row["category"]: row for row in computed(rows)["revenue_periods"] if row["days"] == 7}
    assert {name: row["units"] for name, row in periods.items()} == {"WINE": 3 + 2, "BOOKS": 5}


def test_units_of_missing_days_are_spread_over_the_stock_and_whole_in_a_period() -> None:
    """40 in 40 days, then 3 in one: 27 of the 40 are of the newest 28 days."""
    tables = computed(states([0, 40, 3], days=[0, 40, 41]))
    (supply,) = tables["product_supply"]
    assert (supply["days_in_stock"], supply["units_a_day"]) == (28, pytest.approx(30 / 28))
    assert supply["days_of_supply"] == pytest.approx(50 * 28 / 30) and not supply["order_first"]
    (week, month) = sorted(tables["revenue_periods"], key=lambda row: row["days"])
    assert (week["units"], week["units_before"], week["revenue"]) == (43, 0, 430)
    assert (month["units"], month["units_before"]) == (43, None), "it was not there 56 days ago"


def test_fall_of_cumulative_sales_counts_as_none() -> None:
    rows = states([100, 5, 5])
    rows[2]["sales"] = 90
    tables = computed(rows)
    assert [row["units_new"] for row in tables["revenue"]] == [0, 5, 0]
    assert tables["top_products"][0]["units_new"] == 5


def test_catalogue_with_one_state_has_no_periods_and_lasts_by_its_sales_so_far() -> None:
    rows = states([60], date_added=BEGAN - timedelta(days=12)) + states([0], product_id=2)
    tables = computed(rows)
    assert tables["promotions"] == tables["revenue_periods"] == []
    first, unsold = tables["product_supply"]
    assert (first["basis"], first["units_a_day"], first["days_of_supply"]) == ("since_added", 5, 10)
    assert first["order_first"] and first["days_in_stock"] is None
    assert (unsold["days_of_supply"], unsold["order_first"], unsold["sell_through_pct"]) == (None, False, 0)
    assert all(row["units_new"] is row["revenue_before"] is None for row in tables["top_products"])


def test_figures_that_are_not_defined_are_null() -> None:
    few = [
        row | {"num_reviews": 0, "rating": 3.0}
        for product in range(12)
        for row in states([0], product_id=product, discount_pct=100.0)
    ]
    huge = few[0] | {"product_id": 99, "event_id": "x", "sales": LARGEST}
    tables = computed([*few, huge, huge | {"event_id": "y", "product_id": 98}])
    (discount,) = tables["discount_effect"]
    nulls = ("lift_units", "lift_revenue", "lift_revenue_low", "lift_revenue_high", "effective")
    assert all(discount[name] is None for name in (*nulls, "break_even_lift"))
    assert discount["units_sold"] == tables["revenue"][0]["units_sold"] == LARGEST, "as JSON holds it"
    (rating,) = tables["price_rating"]
    assert rating["correlation"] is rating["ci_low"] is None and rating["bands"] == []
    (satisfaction,) = tables["customer_satisfaction"]
    assert (satisfaction["bayesian_rating"], satisfaction["days_of_cover"]) == (3.0, None)
    same = [row for product in range(20) for row in states([1], product_id=product, rating=4.0)]
    (rating,) = computed(same)["price_rating"]
    assert rating["correlation"] is rating["spearman"] is None and len(rating["bands"]) == 4


def test_a_perfect_correlation_is_its_own_interval() -> None:
    rows = [row for n in range(20) for row in states([1], product_id=n, price=10.0 + n, rating=1 + n / 8)]
    (rating,) = computed(rows)["price_rating"]
    assert [rating[name] for name in ("correlation", "spearman", "ci_low", "ci_high")] == pytest.approx(
        [1] * 4
    )


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
