"""Models that peek, forget their seed or change their input are found out; classes and null panels come from data alone."""

from dataclasses import replace
from functools import partial

import numpy as np

from ml.backtest import plan
from ml.checks import checked, leaking
from ml.features import FEATURES
from ml.features.feature import Feature
from ml.linear import LINEAR, Linear
from ml.null_check import driftless, null_check
from ml.volatility import classes
from tests.ml.made_panels import degenerate, gappy, led, walks
from tests.ml.test_significance import Smoothed


class Peeking(Smoothed):
    """Looks behind the cut, into the array of which the panel is a part."""

    def forecast(self, panel, horizons=(1,)):
        return panel.price.base[:, -len(horizons) :].copy()


class Unseeded(Smoothed):
    def forecast(self, panel, horizons=(1,)):
        return super().forecast(panel, horizons) * np.random.default_rng().random()


class Meddling(Smoothed):
    def forecast(self, panel, horizons=(1,)):
        panel.price[0, -1] = 1.0
        return super().forecast(panel, horizons)


def test_an_honest_model_passes():
    assert checked(gappy(walks(1), 2), Smoothed, origin=300).faults == ()


def test_each_fault_is_found():
    panel = replace(walks(1), price=walks(1).price.copy())  # the array that lies behind a cut panel is then the whole one
    assert "truncation" in checked(panel, Peeking, origin=300).faults
    assert "rerun" in checked(panel, Unseeded, origin=300).faults
    assert "unchanged" in checked(walks(1), Meddling, origin=300).faults


def test_a_feature_that_knows_what_comes_is_found_and_stands_against_its_model(monkeypatch):
    peek = Feature("peek", "own", "tomorrow's price", "never", lambda base: np.roll(base.y, -1, axis=1))
    monkeypatch.setattr("ml.learned.FEATURES", (*FEATURES, peek))
    panel = gappy(walks(1), 2)
    assert leaking(panel, [one.name for one in FEATURES], 300) == []
    assert leaking(panel, ["r1", "peek"], 300) == ["peek"]
    assert checked(panel, partial(Linear, features=(*LINEAR, "peek")), origin=300).faults == ("leakage",)
    assert checked(panel, Linear, origin=300).faults == ()


def test_driftless_walks_keep_names_gaps_and_usual_moves():
    panel = gappy(led(3, volatility=0.04), 4, share=0.2)
    walk = driftless(panel, seed=1)
    assert np.array_equal(np.isnan(walk.price), np.isnan(panel.price)) and walk.commodities == panel.commodities
    assert driftless(panel, seed=1).price.tobytes() == walk.price.tobytes() != driftless(panel, seed=2).price.tobytes()
    moves = [np.nanmean(np.abs(np.diff(np.log(one.price), axis=1))) for one in (panel, walk)]
    assert 0.8 < moves[1] / moves[0] < 1.25
    assert np.isnan(driftless(degenerate(), 1).price[0]).all()


def test_nothing_is_found_where_nothing_is(tmp_path):
    panel = walks(2, days=330)
    found = null_check(panel, Smoothed, plan(panel, origins=30, first_days=60), tmp_path)
    assert found.t < 2 and found.skill < 0


def test_classes_follow_the_data():
    panel = walks(5, goods=("a", "b"))
    price = panel.price.copy()
    price[:4] = price[:4, :1] * (price[:4] / price[:4, :1]) ** 0.01
    assert classes(type(panel)(panel.commodities, panel.regions, panel.units, panel.days, price)) == {
        "a": "stable",
        "b": "volatile",
    }
    assert classes(degenerate())["empty"] == "stable"
