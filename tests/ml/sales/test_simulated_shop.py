"""A shop with a known demand: out-of-time skill, coverage of intervals, and the price that earns most."""

import numpy as np
import pytest

from lakehouse.sales import best_price, demand_units, price_curve
from ml.sales.evaluate import evaluate
from ml.sales.load import SalesRows
from ml.sales.splits import NAIVE, SplitPredictions, predict_split, split_scores
from ml.sales.stack import DEMAND, Model, drawn_rows, fit_curves, fit_demand, fit_medians, folds_of
from producers.simulate.shop import SCALES
from tests.support.retail.listings import simulated_rows

PRODUCT = {"discount_pct": 20.0, "rating": 3.5, "num_reviews": 100.0}


@pytest.fixture(scope="module")
def shop() -> SalesRows:
    return simulated_rows(1, products=60, days=110)


@pytest.fixture(scope="module")
def later(shop: SalesRows) -> SplitPredictions:
    """Forecasts of the newest fifth by what was learned before."""

    def fit(rows: SalesRows) -> dict[str, Model]:
        parts = folds_of(rows, 3, 1)
        return {DEMAND: fit_curves(rows, parts), **fit_medians(rows, parts)}

    predictions = predict_split(shop, "time", 3, 1, fit)
    assert predictions is not None and set(NAIVE) <= predictions.forecasts.keys()
    return predictions


def test_out_of_time_skill_over_the_naive_forecasts(later: SplitPredictions) -> None:
    scores = split_scores(later, DEMAND)
    assert scores["skill_naive"] > 0.15 and scores["skill_low"] > 0.15
    assert scores["r2"] > 0.5 and scores["r2_within"] > 0.3 and scores["r2_log"] > 0.5
    errors = [np.abs(later.rows.sales - later.forecasts[name]["units"]).sum() for name in NAIVE]
    own = np.abs(later.rows.sales - later.forecasts[DEMAND]["units"]).sum()
    assert scores["skill_naive"] == pytest.approx(1 - own / min(errors))
    assert split_scores(later, NAIVE[0])["coverage_90"] is None


def test_interval_covers_nine_of_ten_days_not_seen(later: SplitPredictions) -> None:
    assert 0.88 <= split_scores(later, DEMAND)["coverage_90"] <= 0.92


def test_best_price_is_near_the_true_one(shop: SalesRows) -> None:
    demand = fit_demand(shop, draws=8, seed=1)
    for category in SCALES:
        low, high = demand[category]["price_low"], demand[category]["price_high"]
        best, lower, upper = best_price(demand, PRODUCT, category, low, high)
        assert best * 0.8 == pytest.approx(SCALES[category], rel=0.05), category
        assert low <= lower <= best <= upper <= high
        held = best_price(demand, PRODUCT, category, low, best * 0.7)[0]
        assert held == pytest.approx(best * 0.7), "the end of the range where revenue still rises"
        prices = np.linspace(low, high, 9)
        curve = price_curve(demand, PRODUCT, category, prices)
        inputs = {name: np.full(9, value) for name, value in PRODUCT.items()} | {"price": prices}
        units = demand_units(demand, inputs, category)
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
    assert done.model["demand_skill_low"] > 0.15
    row = next(r for r in done.scores if r["champion"] and r["split"] == "time")
    assert row["skill_naive"] > 0.15
    with_prices = {name for name, share in done.importance.items() if share > 0.1}
    assert "price" in with_prices
