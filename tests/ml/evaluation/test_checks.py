"""Checks of models: leakage, reruns, changed input, random walks; and volatility classes."""

from dataclasses import replace
from functools import partial

import numpy as np

from ml.evaluation.backtest import plan
from ml.evaluation.candidates import random_walk_panel, random_walk_test
from ml.evaluation.leakage_checks import check_model, leaking_features
from ml.features import FEATURES
from ml.features.inputs import Feature
from ml.models.linear import LINEAR_FEATURES, Linear
from ml.models.volatility import volatility_classes
from tests.ml.evaluation.test_significance import Smoothed
from tests.support.panels import degenerate, gappy, led, walks


class Peeking(Smoothed):
    """Reads days after the cut, from the array that the panel is a view of."""

    def predict(self, panel, horizons=(1,)):
        return panel.price.base[:, -len(horizons) :].copy()


class Unseeded(Smoothed):
    def predict(self, panel, horizons=(1,)):
        return super().predict(panel, horizons) * np.random.default_rng().random()


class InputChanging(Smoothed):
    def predict(self, panel, horizons=(1,)):
        panel.price[0, -1] = 1.0
        return super().predict(panel, horizons)


def test_model_without_faults_passes():
    assert check_model(gappy(walks(1), 2), Smoothed, origin=300).faults == ()


def test_each_fault_is_reported():
    panel = replace(walks(1), price=walks(1).price.copy())  # a cut panel is then a view of this whole array
    assert "truncation" in check_model(panel, Peeking, origin=300).faults
    assert "rerun" in check_model(panel, Unseeded, origin=300).faults
    assert "unchanged" in check_model(walks(1), InputChanging, origin=300).faults


def test_feature_of_the_next_day_is_reported_and_its_model_fails(monkeypatch):
    peek = Feature("peek", "own", "tomorrow's price", "never", lambda base: np.roll(base.y, -1, axis=1))
    monkeypatch.setattr("ml.models.training_rows.FEATURES", (*FEATURES, peek))
    panel = gappy(walks(1), 2)
    assert leaking_features(panel, [feature.name for feature in FEATURES], 300) == []
    assert leaking_features(panel, ["r1", "peek"], 300) == ["peek"]
    assert check_model(panel, partial(Linear, features=(*LINEAR_FEATURES, "peek")), origin=300).faults == (
        "leakage",
    )
    assert check_model(panel, Linear, origin=300).faults == ()


def test_random_walk_panel_keeps_names_gaps_and_usual_moves():
    panel = gappy(led(3, volatility=0.04), 4, share=0.2)
    walk = random_walk_panel(panel, seed=1)
    assert (
        np.array_equal(np.isnan(walk.price), np.isnan(panel.price)) and walk.commodities == panel.commodities
    )
    assert (
        random_walk_panel(panel, seed=1).price.tobytes()
        == walk.price.tobytes()
        != random_walk_panel(panel, seed=2).price.tobytes()
    )
    moves = [np.nanmean(np.abs(np.diff(np.log(prices), axis=1))) for prices in (panel.price, walk.price)]
    assert 0.8 < moves[1] / moves[0] < 1.25
    assert np.isnan(random_walk_panel(degenerate(), 1).price[0]).all()


def test_model_shows_no_skill_on_random_walks(tmp_path):
    panel = walks(2, days=330)
    skill = random_walk_test(panel, Smoothed, plan(panel, origins=30, first_days=60), tmp_path)
    assert skill.t < 2 and skill.skill < 0


def test_volatility_class_follows_the_moves_of_prices():
    panel = walks(5, commodities=("a", "b"))
    price = panel.price.copy()
    price[:4] = price[:4, :1] * (price[:4] / price[:4, :1]) ** 0.01
    assert volatility_classes(
        type(panel)(panel.commodities, panel.regions, panel.units, panel.days, price)
    ) == {
        "a": "stable",
        "b": "volatile",
    }
    assert volatility_classes(degenerate())["empty"] == "stable"
