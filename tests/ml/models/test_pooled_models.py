"""Boosting, the linear model and the ensemble: skill on planted links, none on walks, any series accepted."""

import pickle
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml.data.panel import SECOND_PRICE, ExogenousSeries
from ml.evaluation.backtest import plan, run
from ml.evaluation.ensemble import (
    NAIVE_ONLY,
    OF_BEST,
    Ensemble,
    fit_weights,
    greedy_weights,
    walk_forward,
)
from ml.evaluation.leakage_checks import check_model
from ml.evaluation.metrics import skill
from ml.models.boosting import Boosting, TreeOptions
from ml.models.linear import Linear
from ml.models.volatility import volatility_classes
from tests.support.panels import degenerate, gappy, led, walks

SMALL = TreeOptions(rounds=40, depth=4, learning_rate=0.1, rows=8_000, least_weight=10)
MODELS = {
    "boosting": partial(Boosting, 1, (1, 3, 7), SMALL),
    "linear": partial(Linear, (1, 3, 7), rows=8_000, ridge=100.0, commodity_ridge=100.0),
}
HALVES = {volatility: {"boosting": 0.5, "linear": 0.5} for volatility in ("stable", "medium", "volatile")}
REGIONS = ("11", "12", "32", "33", "34", "elsewhere")


@pytest.mark.parametrize("name", MODELS)
def test_model_has_skill_when_the_first_region_leads_by_three_days(name):
    panel = led(3, days=520, regions=REGIONS)
    predictions = backtest_of(panel, {name: MODELS[name]}, 6)
    follow = np.array([panel.regions[row] != REGIONS[0] for row in predictions.series])
    skills = {h: _skill(predictions.select(follow & (predictions.horizon == h)), name) for h in (1, 3)}
    assert skills[3] > 0.4
    assert skills[1] > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_model_has_no_skill_on_random_walks(name):
    predictions = backtest_of(walks(4, days=520, regions=REGIONS), {name: MODELS[name]}, 8)
    assert -0.08 < _skill(predictions, name) < 0.03


def with_two_sources(seed):
    """(walks as a surveyor reports them two days later, the same with one who is 10 % dearer and on time)."""
    market = walks(seed, days=522, regions=REGIONS)
    random = np.random.default_rng(seed)
    error = np.exp(0.01 * random.standard_normal(market.price.shape))
    late = replace(market, price=market.price[:, :-2], days=market.days[2:])
    second = ExogenousSeries(SECOND_PRICE, "IDR", (1.1 * market.price * error)[:, 2:])
    return late, late.with_exogenous((second,))


@pytest.mark.parametrize("name", MODELS)
def test_second_source_adds_skill(name):
    alone, both = with_two_sources(21)
    of_one, of_two = (_skill(backtest_of(panel, {name: MODELS[name]}, 6), name) for panel in (alone, both))
    assert of_two > 0.15 and of_one < 0.03


def test_model_with_a_second_source_passes_the_leakage_check():
    _, both = with_two_sources(22)
    assert check_model(both.until(329), MODELS["linear"], 300).faults == ()


def _skill(predictions, name):
    return skill(predictions.actual, predictions.forecasts[name], predictions.naive)


@pytest.mark.parametrize("name", MODELS)
def test_model_passes_the_leakage_and_rerun_checks(name):
    panel = gappy(led(5, days=330, regions=REGIONS), 5, frozen_weekends=True)
    assert check_model(panel, MODELS[name], 300).faults == ()


@pytest.mark.parametrize("name", [*MODELS, "ensemble"])
def test_degenerate_series_give_a_positive_price_or_nan(name):
    panel = degenerate(400)
    model = (
        Ensemble({member: make() for member, make in MODELS.items()}, HALVES)
        if name == "ensemble"
        else MODELS[name]()
    )
    model.fit(panel)
    forecast = model.predict(panel)
    assert forecast.shape == (len(panel.commodities), 7)
    assert (forecast[np.isfinite(forecast)] > 0).all()
    assert np.isnan(forecast[panel.commodities.index("empty")]).all()
    assert forecast[panel.commodities.index("constant")] == pytest.approx(12_000.0, rel=0.05)


@pytest.mark.parametrize("shape", [(("only",), ("here",)), (("only",), REGIONS), (("one", "two"), ("here",))])
def test_panel_of_one_commodity_or_one_region_is_forecast(shape):
    panel = gappy(walks(2, days=800, commodities=shape[0], regions=shape[1]), 3)
    for make in MODELS.values():
        model = make()
        model.fit(panel)
        forecast = model.predict(panel) / panel.filled[:, -1:]
        assert ((forecast > 0.7) & (forecast < 1.4)).all()


def test_too_short_history_gives_nan():
    for make in MODELS.values():
        model = make()
        model.fit(walks(1, days=60))
        assert np.isnan(model.predict(walks(1, days=60))).all()


def test_horizons_between_fitted_ones_are_interpolated_and_later_ones_nan():
    panel = led(6, days=330, regions=REGIONS)
    model = MODELS["linear"]()
    model.fit(panel)
    log = np.log(model.predict(panel, (1, 2, 3, 7, 8)) / panel.filled[:, -1:])
    assert np.allclose(log[:, 1], (log[:, 0] + log[:, 2]) / 2)
    assert np.isnan(log[:, 4]).all()


def test_importances_of_features_sum_to_one():
    panel = led(7, days=330, regions=REGIONS)
    model = MODELS["boosting"]()
    assert model.importance() == {}
    model.fit(panel)
    gains = model.importance()
    assert sum(gains.values()) == pytest.approx(1)
    assert set(gains) == {name for name in model.features if not name.startswith("second")}


def test_greedy_weights_choose_the_better_model():
    random = np.random.default_rng(8)
    actual = 100 + random.standard_normal(4000)
    naive = actual + 4 * random.standard_normal(4000)
    accurate = actual + random.standard_normal(4000)
    inaccurate = actual + 30 * random.standard_normal(4000)
    weights = greedy_weights(actual, naive, {"accurate": accurate, "inaccurate": inaccurate})
    # independent errors with deviations 1 and 4: the best blend has 1/17 of naive, and a step is 1/15
    assert weights == pytest.approx({"accurate": 14 / 15, "inaccurate": 0, "naive": 1 / 15})
    assert greedy_weights(actual, actual, {"accurate": accurate})["naive"] == pytest.approx(1)


def test_ensemble_is_hardly_below_its_best_member():
    """Classes of few origins favour members by luck; the best one over all keeps half the weight."""
    panel = walks(13, days=820)
    predictions = backtest_of(panel, {}, origins=40)
    random = np.random.default_rng(14)
    move = np.log(predictions.actual / predictions.naive)
    lucky = {
        name: predictions.naive * np.exp(0.3 * move * random.choice([0, 1, 2], len(move)) * share)
        for name, share in (("a", 1.0), ("b", 0.5), ("c", 0.2), ("d", -0.3))
    }
    offered = predictions.with_forecasts(**lucky)
    blend = walk_forward(offered, tuple(lucky), panel)
    known = predictions.origin > np.unique(predictions.origin)[1]  # before, nothing is known
    skills = {
        name: skill(predictions.actual[known], forecast[known], predictions.naive[known])
        for name, forecast in {**lucky, "blend": blend}.items()
    }
    assert skills["blend"] >= max(skills.values()) - 0.002
    weights = fit_weights(offered, tuple(lucky), volatility_classes(panel))
    assert all(
        shares["a"] >= OF_BEST and sum(shares.values()) == pytest.approx(1) for shares in weights.values()
    )


def test_weights_of_an_origin_do_not_depend_on_later_prices():
    panel = walks(9, days=520)
    predictions = backtest_of(panel, {})
    random = np.random.default_rng(10)
    later = predictions.origin >= np.unique(predictions.origin)[-6]
    close = predictions.actual * np.exp(0.001 * random.standard_normal(len(predictions)))
    far = predictions.actual * np.exp(0.3 * random.standard_normal(len(predictions)))
    forecast = walk_forward(predictions.with_forecasts(a=close, b=far), ("a", "b"), panel)
    other = walk_forward(
        predictions.with_forecasts(a=np.where(later, far, close), b=np.where(later, close, far)),
        ("a", "b"),
        panel,
    )
    past = predictions.origin < np.unique(predictions.origin)[-6]
    assert np.array_equal(forecast[past], other[past])
    assert not np.array_equal(forecast[later], other[later])


def test_ensemble_is_the_weighted_mean_also_after_pickling():
    panel = led(11, days=330, regions=REGIONS)
    weights = {
        volatility: {"naive": 0.4, "linear": 0.6, "boosting": 0.0}
        for volatility in set(volatility_classes(panel).values())
    }
    model = Ensemble({name: make() for name, make in MODELS.items()}, weights)
    model.fit(panel)
    linear = MODELS["linear"]()
    linear.fit(panel)
    expected = 0.4 * panel.filled[:, -1:] + 0.6 * linear.predict(panel)
    assert np.allclose(model.predict(panel), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(panel), model.predict(panel))


def test_too_few_origins_give_naive_all_the_weight():
    panel = walks(12, days=420)
    predictions = backtest_of(panel, {})
    few = predictions.select(predictions.origin == predictions.origin[0])
    weights = fit_weights(few.with_forecasts(a=few.naive), ("a",), volatility_classes(panel))
    assert all(shares == NAIVE_ONLY for shares in weights.values())


def backtest_of(panel, models, origins=16):
    with tempfile.TemporaryDirectory() as state:
        return run(
            panel, models, plan(panel, origins=origins, first_days=380, horizons=(1, 3, 7)), Path(state)
        )
