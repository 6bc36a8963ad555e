"""Boosting, the linear model and the ensemble: they find what is there, invent nothing, survive what is broken."""

import pickle
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml.backtest import plan, run
from ml.boosting import Boosting, Knobs
from ml.checks import checked
from ml.ensemble import ALONE, LEAST_NAIVE, Ensemble, greedy, learned, walked
from ml.linear import Linear
from ml.metrics import skill
from ml.volatility import classes
from tests.ml.made_panels import degenerate, gappy, led, walks

SMALL = Knobs(rounds=40, depth=4, learning_rate=0.1, rows=8_000, least_weight=10)
MODELS = {
    "boosting": partial(Boosting, 1, (1, 3, 7), SMALL),
    "linear": partial(Linear, (1, 3, 7), rows=8_000, ridge=100.0, good_ridge=100.0),
}
HALVES = {one: {"boosting": 0.5, "linear": 0.5} for one in ("stable", "medium", "volatile")}
REGIONS = ("11", "12", "32", "33", "34", "elsewhere")


@pytest.mark.parametrize("name", MODELS)
def test_it_finds_that_the_first_region_leads_by_three_days(name):
    panel = led(3, days=520, regions=REGIONS)
    cells = run_of(panel, {name: MODELS[name]}, 6)
    follow = np.array([panel.regions[row] != REGIONS[0] for row in cells.series])
    skills = {h: _skill(cells.where(follow & (cells.horizon == h)), name) for h in (1, 3)}
    assert skills[3] > 0.4
    assert skills[1] > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_it_finds_nothing_in_random_walks(name):
    cells = run_of(walks(4, days=520, regions=REGIONS), {name: MODELS[name]}, 8)
    assert -0.08 < _skill(cells, name) < 0.03


def _skill(cells, name):
    return skill(cells.actual, cells.forecasts[name], cells.naive)


@pytest.mark.parametrize("name", MODELS)
def test_it_sees_no_future_and_answers_twice_alike(name):
    panel = gappy(led(5, days=330, regions=REGIONS), 5, frozen_weekends=True)
    assert checked(panel, MODELS[name], 300).faults == ()


@pytest.mark.parametrize("name", [*MODELS, "ensemble"])
def test_broken_series_break_nothing(name):
    panel = degenerate(400)
    model = Ensemble({one: make() for one, make in MODELS.items()}, HALVES) if name == "ensemble" else MODELS[name]()
    model.fit(panel)
    found = model.forecast(panel)
    assert found.shape == (len(panel.commodities), 7)
    assert (found[np.isfinite(found)] > 0).all()
    assert np.isnan(found[panel.commodities.index("empty")]).all()
    assert found[panel.commodities.index("constant")] == pytest.approx(12_000.0, rel=0.05)


@pytest.mark.parametrize("shape", [(("only",), ("here",)), (("only",), REGIONS), (("one", "two"), ("here",))])
def test_one_good_or_one_region_is_panel_enough(shape):
    panel = gappy(walks(2, days=800, goods=shape[0], regions=shape[1]), 3)
    for make in MODELS.values():
        model = make()
        model.fit(panel)
        found = model.forecast(panel) / panel.filled[:, -1:]
        assert ((found > 0.7) & (found < 1.4)).all()


def test_too_little_history_gives_no_forecast():
    for make in MODELS.values():
        model = make()
        model.fit(walks(1, days=60))
        assert np.isnan(model.forecast(walks(1, days=60))).all()


def test_horizons_that_were_not_learned_lie_between_and_none_beyond():
    panel = led(6, days=330, regions=REGIONS)
    model = MODELS["linear"]()
    model.fit(panel)
    log = np.log(model.forecast(panel, (1, 2, 3, 7, 8)) / panel.filled[:, -1:])
    assert np.allclose(log[:, 1], (log[:, 0] + log[:, 2]) / 2)
    assert np.isnan(log[:, 4]).all()


def test_importance_is_shared_out_among_the_features():
    panel = led(7, days=330, regions=REGIONS)
    model = MODELS["boosting"]()
    assert model.importance() == {}
    model.fit(panel)
    gains = model.importance()
    assert sum(gains.values()) == pytest.approx(1)
    assert set(gains) == set(model.features)


def test_greedy_takes_the_better_model_and_never_less_naive_than_the_least():
    random = np.random.default_rng(8)
    actual = 100 + random.standard_normal(4000)
    naive = actual + 4 * random.standard_normal(4000)
    good, bad = actual + random.standard_normal(4000), actual + 30 * random.standard_normal(4000)
    share = greedy(actual, naive, {"good": good, "bad": bad})
    assert share == pytest.approx({"good": 1 - LEAST_NAIVE, "bad": 0, "naive": LEAST_NAIVE})
    assert greedy(actual, actual, {"good": good})["naive"] == pytest.approx(1)


def test_weights_at_an_origin_know_nothing_of_what_came_later():
    panel = walks(9, days=520)
    cells = run_of(panel, {})
    random = np.random.default_rng(10)
    later = cells.origin >= np.unique(cells.origin)[-6]
    close = cells.actual * np.exp(0.001 * random.standard_normal(len(cells)))
    far = cells.actual * np.exp(0.3 * random.standard_normal(len(cells)))
    one = walked(cells.with_forecasts(a=close, b=far), ("a", "b"), panel)
    other = walked(cells.with_forecasts(a=np.where(later, far, close), b=np.where(later, close, far)), ("a", "b"), panel)
    past = cells.origin < np.unique(cells.origin)[-6]
    assert np.array_equal(one[past], other[past])
    assert not np.array_equal(one[later], other[later])


def test_an_ensemble_is_the_weighted_mean_and_survives_pickling():
    panel = led(11, days=330, regions=REGIONS)
    weights = {one: {"naive": 0.4, "linear": 0.6, "boosting": 0.0} for one in set(classes(panel).values())}
    model = Ensemble({name: make() for name, make in MODELS.items()}, weights)
    model.fit(panel)
    linear = MODELS["linear"]()
    linear.fit(panel)
    expected = 0.4 * panel.filled[:, -1:] + 0.6 * linear.forecast(panel)
    assert np.allclose(model.forecast(panel), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).forecast(panel), model.forecast(panel))


def test_with_few_origins_naive_speaks_alone():
    panel = walks(12, days=420)
    cells = run_of(panel, {})
    few = cells.where(cells.origin == cells.origin[0])
    found = learned(few.with_forecasts(a=few.naive), ("a",), classes(panel))
    assert all(shares == ALONE for shares in found.values())


def run_of(panel, models, origins=16):
    with tempfile.TemporaryDirectory() as state:
        return run(panel, models, plan(panel, origins=origins, first_days=380, horizons=(1, 3, 7)), Path(state))
