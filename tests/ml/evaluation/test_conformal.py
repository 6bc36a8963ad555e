"""Conformal intervals: worked by hand, coverage on random walks, no look-ahead, adaptation after a break."""

from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation import metrics
from ml.evaluation.conformal import LARGEST_RECENT, LARGEST_STRETCH, Calibration, calibrate
from ml.evaluation.scores import coverage_by_half_year
from tests.support.predictions import simulated_predictions


def calibration(scores, origins=None, commodity=None, horizon=None, commodities=("a", "b")):
    n = len(scores)
    return Calibration(
        score=np.array(scores, dtype=float),
        origin=np.arange(n) if origins is None else np.array(origins),
        commodity_index=np.zeros(n, dtype=int) if commodity is None else np.array(commodity),
        horizon=np.ones(n, dtype=int) if horizon is None else np.array(horizon),
        commodities=commodities,
        excess={},
    )


def test_quantile_worked_by_hand():
    of_20 = calibration([0.1 * nth * (-1) ** nth for nth in range(1, 21)])
    assert of_20.quantile("a", 1, 0.8) == (pytest.approx(1.7), "commodity_horizon")  # ⌈21 · .8⌉ = 17th
    of_19 = calibration([0.1 * nth for nth in range(1, 20)])
    assert of_19.quantile("a", 1, 0.8)[1] == "reference"  # needs 20 scores
    of_39 = calibration([0.1 * nth for nth in range(1, 40)])
    assert of_39.quantile("a", 1, 0.95) == (pytest.approx(3.8), "commodity_horizon")  # ⌈40 · .95⌉ = 38th
    lower, upper, _ = of_20.bounds("a", 1, np.array([100.0]), np.array([0.02]), 0.8)
    assert lower == pytest.approx(100 * np.exp(-1.7 * 0.02)) and upper == pytest.approx(
        100 * np.exp(1.7 * 0.02)
    )


def test_few_scores_use_the_scores_of_a_wider_group_and_name_it():
    commodity = [0] * 10 + [1] * 60
    horizon = [1] * 40 + [7] * 30
    mixed = calibration(np.linspace(-2, 2, 70), commodity=commodity, horizon=horizon)
    assert mixed.quantile("b", 1, 0.8)[1] == "commodity_horizon"
    assert mixed.quantile("b", 1, 0.95)[1] == "horizon"  # 30 of its own < 39, 40 of the horizon
    assert mixed.quantile("a", 1, 0.8)[1] == "horizon"
    assert mixed.quantile("a", 9, 0.8)[1] == "pooled"
    assert mixed.quantile("new", 7, 0.8)[1] == "horizon"
    one_day = calibration(np.linspace(-2, 2, 70), origins=[1] * 70)
    assert one_day.quantile("a", 1, 0.8)[1] == "reference"  # 70 scores of one origin are one sample


def test_horizon_without_scores_uses_those_of_the_nearest():
    scores = np.r_[np.linspace(0, 1, 40), np.linspace(0, 9, 40)]
    known = calibration(scores, commodity=[0] * 80, horizon=[10] * 40 + [14] * 40)
    assert known.quantile("a", 11, 0.8) == known.quantile("a", 10, 0.8) != known.quantile("a", 13, 0.8)
    assert known.quantile("a", 13, 0.8) == known.quantile("a", 14, 0.8)
    assert known.quantile("a", 20, 0.8)[1] == "pooled"


def test_without_scores_intervals_are_normal_with_reference_volatility():
    nothing = calibration([])
    volatility, horizon = 0.03, 4
    mean_change = np.array([volatility * np.sqrt(2 / np.pi)])
    lower, upper, basis = nothing.bounds("a", horizon, np.array([100.0]), mean_change, 0.95)
    assert basis == "reference" and np.log(upper / lower) == pytest.approx(2 * 1.959964 * volatility * 2)
    assert nothing.confidence("a", horizon, mean_change) == pytest.approx(0.914, abs=0.02)


def test_confidence_is_the_share_of_prices_within_ten_percent():
    scores = np.linspace(-3, 3, 99)
    known = calibration(scores)
    scale = np.array([0.1, 0.01])
    inside = [np.mean((np.exp(scores * v) >= 0.9) & (np.exp(scores * v) <= 1.1)) * 99 / 100 for v in scale]
    assert known.confidence("a", 1, scale) == pytest.approx(inside)


def test_coverage_and_confidence_match_their_level_on_walks():
    predictions = simulated_predictions({"a": 0.0, "b": 0.1, "c": 0.3}, seed=1, origins=90)
    intervals, _ = calibrate(predictions, "model")
    held = intervals.calibrated
    assert held.mean() > 0.85 and not held[predictions.origin < 400 + 8 * 8].any()
    for level, near in ((0.8, 0.03), (0.95, 0.02)):
        covered = metrics.coverage(
            predictions.actual[held], intervals.lower[level][held], intervals.upper[level][held]
        )
        assert covered == pytest.approx(level, abs=near)
    near = np.abs(predictions.actual / predictions.forecasts["model"] - 1) <= 0.1
    for commodity, horizon in ((0, 1), (0, 3), (0, 7), (2, 7)):
        share = held & (predictions.commodity_index == commodity) & (predictions.horizon == horizon)
        assert near[share].mean() == pytest.approx(intervals.confidence[share].mean(), abs=0.05)
    assert np.all(np.diff(intervals.quantiles[held], axis=1) >= 0) and intervals.quantiles[held][
        :, 4
    ] == pytest.approx(predictions.forecasts["model"][held])


def test_intervals_depend_on_no_price_after_their_origin():
    predictions = simulated_predictions({"a": 0.1, "b": 0.2}, seed=2, origins=40)
    cut = 400 + 8 * 30
    changed = replace(
        predictions, actual=np.where(predictions.origin >= cut, predictions.actual * 2, predictions.actual)
    )
    before, after = calibrate(predictions, "model")[0], calibrate(changed, "model")[0]
    early = predictions.origin <= cut
    for level in (0.8, 0.95):
        assert np.array_equal(before.lower[level][early], after.lower[level][early], equal_nan=True)
        assert not np.array_equal(before.lower[level][~early], after.lower[level][~early], equal_nan=True)
    overlapping = replace(
        predictions, origin=400 + (predictions.origin - 400) // 8
    )  # daily origins: most targets are not yet observed
    assert calibrate(overlapping, "model")[0].calibrated.any()
    first = np.unique(overlapping.origin)[7 + 7]
    assert not calibrate(overlapping, "model")[0].calibrated[overlapping.origin < first].any()


def test_adaptive_intervals_widen_after_a_break():
    predictions = simulated_predictions({"a": 0.0, "calm": 0.0}, seed=3, origins=60)
    broken = (predictions.origin >= 400 + 8 * 30) & (predictions.commodity_index == 0)
    naive = predictions.naive
    wild = replace(
        predictions, actual=np.where(broken, naive * (predictions.actual / naive) ** 4, predictions.actual)
    )
    (fixed, _), (adaptive, known) = (calibrate(wild, "naive", gain=gain) for gain in (0.0, 1.0))
    late = broken & (predictions.origin >= 400 + 8 * 34)
    covered = [
        metrics.coverage(wild.actual[late], intervals.lower[0.8][late], intervals.upper[0.8][late])
        for intervals in (fixed, adaptive)
    ]
    assert covered[1] > covered[0] + 0.02
    assert np.all(adaptive.lower[0.95] <= adaptive.lower[0.8]) and np.all(
        adaptive.upper[0.95] >= adaptive.upper[0.8]
    )
    assert 1 < known.stretch("a", 7, 0.8) <= LARGEST_STRETCH
    assert known.stretch("calm", 7, 0.8) == pytest.approx(1, abs=0.3)


def test_newest_errors_scale_the_intervals_of_their_commodity_and_horizon():
    origins = np.repeat(np.arange(16), 20)
    sizes = np.where(origins >= 12, 4.0, 1.0)  # mean 1.75, of the newest 4.0
    known = calibration(
        np.r_[sizes, np.ones(320)],
        origins=np.r_[origins, origins],
        commodity=[0] * 320 + [1] * 320,
    )
    assert known.recent("a", 1) == pytest.approx(np.sqrt(4 / 1.75)) and known.recent("b", 1) == 1
    _, upper, _ = known.bounds("a", 1, np.array([100.0]), np.array([0.01]), 0.8)
    assert np.log(upper / 100) == pytest.approx(known.quantile("a", 1, 0.8)[0] * known.recent("a", 1) * 0.01)
    calm = calibration(np.where(origins >= 12, 0.0, 1.0), origins=origins)
    assert calm.recent("a", 1) == 1 / LARGEST_RECENT and calibration([]).recent("a", 1) == 1
    assert calibration(sizes[::20], origins=origins[::20]).recent("a", 1) == 1  # too few of one series


def test_coverage_holds_in_each_half_year_when_volatility_changes():
    """Intervals that followed the errors of 26 origins alone covered 57 % of one commodity in 2024-H2."""
    predictions = simulated_predictions(
        {"a": 0.0, "b": 0.1, "c": 0.0, "d": 0.2}, seed=6, origins=90, regions=20
    )
    factors = np.array([[1.0, 1.0, 1.0, 1.0], [1.8, 1.0, 0.6, 1.0], [1.0, 1.7, 1.5, 0.6]])
    regime = np.digitize(predictions.origin, (400 + 8 * 40, 400 + 8 * 64))
    change = (predictions.actual / predictions.naive) ** factors[regime, predictions.commodity_index]
    turbulent = replace(predictions, actual=predictions.naive * change)
    adaptive, fixed = (
        coverage_by_half_year(turbulent, calibrate(turbulent, "naive", gain=gain)[0]) for gain in (1.0, 0.0)
    )
    whole = [entry for entry in adaptive if entry.origins >= 20]
    assert len(whole) >= 3 and all(0.78 <= entry.coverage <= 0.82 for entry in whole)
    assert all(0.75 <= entry.worst_coverage <= 0.85 for entry in whole)
    assert any(abs(entry.worst_coverage - 0.8) > 0.08 for entry in fixed)


def test_coverage_holds_at_each_horizon_when_moves_last_or_reverse():
    """Pooled over horizons, intervals too wide at one hid those too narrow at another."""
    predictions = simulated_predictions({"a": 0.0, "b": 0.1, "c": 0.0}, seed=8, origins=90, regions=20)
    late = predictions.origin >= 400 + 8 * 40
    factors = np.select([late & (predictions.horizon == 1), late & (predictions.horizon == 7)], [1.7, 0.6], 1)
    change = (predictions.actual / predictions.naive) ** factors
    reversing = replace(predictions, actual=predictions.naive * change)
    intervals, known = calibrate(reversing, "naive")
    for horizon in (1, 7):
        halves = coverage_by_half_year(reversing, intervals, (horizon,))
        whole = [entry for entry in halves if entry.origins >= 20]
        assert len(whole) >= 3 and all(0.78 <= entry.coverage <= 0.82 for entry in whole)
        assert all(0.75 <= entry.worst_coverage <= 0.85 for entry in whole)
    assert known.stretch("a", 6, 0.8) == known.stretch("a", 7, 0.8)  # the nearest one with scores


def test_no_cells_give_no_intervals_and_reference_quantiles():
    intervals, known = calibrate(simulated_predictions({"a": 0.0}).select(np.zeros(0, dtype=int)), "naive")
    assert not len(intervals.basis) and known.quantile("a", 1, 0.8)[1] == "reference"
