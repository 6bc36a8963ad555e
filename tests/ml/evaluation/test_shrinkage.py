"""Shrinkage: factors that are known, no look-ahead, and the forecaster that applies them."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation.ensemble import START, Shrunk, shrink
from ml.evaluation.metrics import skill
from ml.models.naive import Drift
from tests.support.panels import walks
from tests.support.predictions import simulated_predictions


def moves(share, noise=0.0, seed=1, origins=65, commodities=("a", "b")):
    """(predictions, a forecast of `share` times the move that followed, and noise)."""
    predictions = simulated_predictions(dict.fromkeys(commodities, 0.0), seed=seed, origins=origins)
    random = np.random.default_rng(seed)
    move = np.log(predictions.actual / predictions.naive)
    share = np.asarray(share)[predictions.commodity_index] if np.ndim(share) else share
    error = noise * np.std(move) * random.standard_normal(len(move))
    return predictions, predictions.naive * np.exp(share * move + error)


def test_exaggerated_moves_are_shrunk_to_what_followed():
    predictions, forecast = moves(2.0)
    shrunk, factors = shrink(predictions, forecast)
    assert set(factors) == {(commodity, horizon) for commodity in "ab" for horizon in (1, 3, 7)}
    assert list(factors.values()) == pytest.approx([0.5] * 6)
    late = predictions.origin > 400 + 8 * 4
    assert shrunk[late] == pytest.approx(predictions.actual[late])


def test_forecast_without_information_becomes_naive():
    predictions, forecast = moves(0.0, noise=0.5)
    shrunk, factors = shrink(predictions, forecast)
    assert max(factors.values()) <= 0.1
    raw, after = (skill(predictions.actual, values, predictions.naive) for values in (forecast, shrunk))
    assert after > raw + 0.02 and after > -0.02


def test_accurate_forecast_is_not_shrunk():
    predictions, forecast = moves(0.3)
    _, factors = shrink(predictions, forecast)
    assert min(factors.values()) == 1


def test_commodities_have_factors_of_their_own_drawn_to_the_common_one():
    predictions, forecast = moves((1.0, 1.0, 4.0), commodities=("a", "b", "c"))
    _, factors = shrink(predictions, forecast)
    assert factors["c", 7] < factors["a", 7] == factors["b", 7]
    assert factors["c", 7] == pytest.approx(0.25, abs=0.06)


def test_factors_of_an_origin_do_not_depend_on_later_prices():
    predictions, forecast = moves(0.5, noise=1.0)
    cut = 400 + 8 * 30
    spoiled = replace(
        predictions,
        actual=np.where(
            predictions.origin >= cut, predictions.naive**2 / predictions.actual, predictions.actual
        ),
    )
    before, _ = shrink(predictions, forecast)
    after, _ = shrink(spoiled, forecast)
    early = predictions.origin <= cut
    assert np.array_equal(before[early], after[early]) and not np.array_equal(before[~early], after[~early])
    first = predictions.origin == predictions.origin[0]
    move = np.log(forecast / predictions.naive)[first]
    assert before[first] == pytest.approx(predictions.naive[first] * np.exp(START * move))


def test_no_predictions_give_no_factors():
    predictions, forecast = moves(1.0)
    nothing = np.zeros(0, dtype=int)
    assert shrink(predictions.select(nothing), forecast[nothing])[1] == {}


def test_shrunk_forecaster_keeps_the_share_of_the_move_also_after_pickling():
    panel = walks(3, days=300)
    factors = {("kentang", 1): 0.5, ("teh", 1): 0.0}
    model = Shrunk(Drift(), factors)
    model.fit(panel)
    inner = Drift().predict(panel, (1, 2))
    naive = panel.filled[:, -1:]
    forecast = model.predict(panel, (1, 2))
    rows = panel.rows_of("kentang")
    assert forecast[rows, 0] == pytest.approx(np.sqrt(naive[rows, 0] * inner[rows, 0]))
    assert forecast[panel.rows_of("teh"), 0] == pytest.approx(naive[panel.rows_of("teh"), 0])
    assert forecast[:, 1] == pytest.approx(naive[:, 0] * (inner[:, 1] / naive[:, 0]) ** START)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(panel, (1, 2)), forecast)
    assert model.name == "drift"


def test_series_without_a_forecast_stay_without_one():
    class Silent(Drift):
        def predict(self, panel, horizons=(1,)):
            return np.full((len(panel.commodities), len(horizons)), np.nan)

    assert np.isnan(Shrunk(Silent(), {}).predict(walks(4, days=50), (1, 2))).all()
