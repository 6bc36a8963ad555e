"""A shop with a known demand: what prices alone show, out-of-time skill, coverage of intervals."""

from functools import partial

import numpy as np
import pytest

from lakehouse.sales import best_price, price_curve, units_by_demand
from ml.sales.evaluate import MOST_EVALUATED, evaluate
from ml.sales.load import SalesRows
from ml.sales.splits import NAIVE, SplitPredictions, predict_split, split_scores
from ml.sales.stack import STACK, Model, drawn_rows, fit_demand, fit_medians, fit_regressors, folds_of
from producers.simulate.shop import DAYS, PRODUCTS, USUAL_PRICES, SampleShop
from tests.support.retail.listings import UNTIL, simulated_rows

PRODUCT = {"discount_pct": 20.0, "rating": 3.5, "num_reviews": 100.0}


@pytest.fixture(scope="module")
def shop() -> SalesRows:
    return simulated_rows(1, products=60, days=110)


def forecasts_of_the_newest_days(seed: int) -> SplitPredictions:
    """Of the newest fifth of the rows that a round evaluates of the shop of the feed, by those before."""

    def fit(rows: SalesRows) -> dict[str, Model]:
        parts = folds_of(rows, 5, 1)
        return {**fit_regressors(rows, parts, 1, quick=False), **fit_medians(rows, parts)}

    rows = simulated_rows(seed, PRODUCTS, DAYS)
    predictions = predict_split(rows.at(np.arange(len(rows))[-MOST_EVALUATED:]), "time", 5, 1, fit)
    assert predictions is not None and set(NAIVE) <= predictions.forecasts.keys()
    return predictions


@pytest.fixture(scope="module")
def shops_later() -> list[SplitPredictions]:
    return [forecasts_of_the_newest_days(seed) for seed in (1, 2)]


def test_out_of_time_skill_over_the_naive_forecasts(shops_later: list[SplitPredictions]) -> None:
    for later in shops_later:
        scores = split_scores(later, STACK)
        assert scores["skill_naive"] > 0.2 and scores["skill_low"] > 0
        assert scores["r2"] > 0.3 and scores["r2_log"] > 0.3
    errors = [np.abs(later.rows.sales - later.forecasts[name]["units"]).sum() for name in NAIVE]
    own = np.abs(later.rows.sales - later.forecasts[STACK]["units"]).sum()
    assert scores["skill_naive"] == pytest.approx(1 - own / min(errors))
    assert split_scores(later, NAIVE[0])["coverage_90"] is None


def test_interval_covers_nine_of_ten_days_not_seen(shops_later: list[SplitPredictions]) -> None:
    covered = [split_scores(later, STACK)["coverage_90"] for later in shops_later]
    assert 0.88 <= np.mean(covered) <= 0.92 and 0.86 <= min(covered) <= max(covered) <= 0.94


def test_sales_regressed_on_prices_miss_the_elasticity_by_more_than_one(shop: SalesRows) -> None:
    truth = SampleShop(1, products=60, days=110, until=UNTIL).elasticity
    net = np.log(shop.inputs["price"] * (1 - shop.inputs["discount_pct"] / 100))
    units = np.log(np.maximum(shop.sales, 0.5))
    slopes = [np.polyfit(net[own], units[own], 1)[0] for own in (shop.product == n + 1 for n in range(60))]
    assert np.abs(slopes - truth).mean() > 1
    for category in USUAL_PRICES:
        own = shop.category == category
        pooled = np.polyfit(net[own], units[own], 1)[0]
        assert pooled - truth[np.unique(shop.product[own]) - 1].mean() > 1, category


def test_curve_holds_its_best_price_and_its_intervals(shop: SalesRows) -> None:
    demand = fit_demand(shop, draws=8, seed=1)
    for category in USUAL_PRICES:
        low, high = demand[category]["price_low"], demand[category]["price_high"]
        units_at = partial(units_by_demand, demand, PRODUCT, category)
        prices = np.linspace(low, high, 9)
        curve = price_curve(units_at, prices, 20)
        best, lower, upper, at_edge = best_price(units_at, low, high, 20)
        assert low <= lower <= best <= upper <= high and at_edge == (best in (low, high))
        most = price_curve(units_at, np.array([best]), 20)["revenue"][0]
        assert curve["revenue"].max() <= most
        units = units_at(prices)
        assert units.shape == (9, 9) and np.allclose(curve["revenue"], units[0] * prices * 0.8)
        assert (curve["units_low"] <= curve["units"]).all() and (curve["units"] <= curve["units_high"]).all()


def test_draws_take_whole_products(shop: SalesRows) -> None:
    drawn = drawn_rows(shop.group, np.random.default_rng(1))
    sizes = np.bincount(shop.group)
    taken = np.bincount(shop.group[drawn], minlength=len(sizes))
    assert (taken % sizes == 0).all() and len(np.unique(shop.group[drawn])) < len(sizes)


@pytest.mark.slow
def test_whole_round_on_the_shop_serves_a_trained_model() -> None:
    done = evaluate(simulated_rows(2, products=24, days=60), 1, 7, 3, quick=True)
    assert done.model is not None and done.model["members"] and done.model["target"] == "units_a_day"
    row = next(r for r in done.scores if r["champion"] and r["split"] == "time")
    assert row["skill_naive"] > 0.15
    with_prices = {name for name, share in done.importance.items() if share > 0.1}
    assert "price" in with_prices
