"""Conformal intervals: by hand, at their level on walks, only from what was known, and adapting after a break."""

from dataclasses import replace

import numpy as np
import pytest

from ml import metrics
from ml.intervals import ALPHA_BOUNDS, Calibration, replay
from tests.ml.made_cells import made_cells


def calibration(scores, origins=None, good=None, horizon=None, goods=("a", "b")):
    n = len(scores)
    return Calibration(
        score=np.array(scores, dtype=float),
        origin=np.arange(n) if origins is None else np.array(origins),
        good=np.zeros(n, dtype=int) if good is None else np.array(good),
        horizon=np.ones(n, dtype=int) if horizon is None else np.array(horizon),
        goods=goods,
        alpha={},
    )


def test_the_quantile_is_the_one_by_hand():
    twenty = calibration([0.1 * nth * (-1) ** nth for nth in range(1, 21)])
    assert twenty.quantile("a", 1, 0.8) == (pytest.approx(1.7), "commodity_horizon")  # ⌈21 · .8⌉ = 17th
    nineteen = calibration([0.1 * nth for nth in range(1, 20)])
    assert nineteen.quantile("a", 1, 0.8)[1] == "reference"  # 19 scores are one too few
    many = calibration([0.1 * nth for nth in range(1, 40)])
    assert many.quantile("a", 1, 0.95) == (pytest.approx(3.8), "commodity_horizon")  # ⌈40 · .95⌉ = 38th
    lower, upper, _ = twenty.bounds("a", 1, np.array([100.0]), np.array([0.02]), 0.8)
    assert lower == pytest.approx(100 * np.exp(-1.7 * 0.02)) and upper == pytest.approx(100 * np.exp(1.7 * 0.02))


def test_few_scores_borrow_from_others_and_say_so():
    good, horizon = [0] * 10 + [1] * 30 + [1] * 30, [1] * 40 + [7] * 30
    some = calibration(np.linspace(-2, 2, 70), good=good, horizon=horizon)
    assert some.quantile("b", 1, 0.8)[1] == "commodity_horizon"
    assert some.quantile("b", 1, 0.95)[1] == "horizon"  # 30 of its own < 39, 40 of the horizon
    assert some.quantile("a", 1, 0.8)[1] == "horizon"
    assert some.quantile("a", 9, 0.8)[1] == "pooled"
    assert some.quantile("new", 7, 0.8)[1] == "horizon"
    one_day = calibration(np.linspace(-2, 2, 70), origins=[1] * 70)
    assert one_day.quantile("a", 1, 0.8)[1] == "reference"  # seventy scores of one day are one sample


def test_a_horizon_between_two_borrows_from_the_nearer_one():
    scores = np.r_[np.linspace(0, 1, 40), np.linspace(0, 9, 40)]
    known = calibration(scores, good=[0] * 80, horizon=[10] * 40 + [14] * 40)
    assert known.quantile("a", 11, 0.8) == known.quantile("a", 10, 0.8) != known.quantile("a", 13, 0.8)
    assert known.quantile("a", 13, 0.8) == known.quantile("a", 14, 0.8)
    assert known.quantile("a", 20, 0.8)[1] == "pooled"


def test_without_scores_a_normal_law_on_the_reference_volatility():
    nothing = calibration([])
    volatility, horizon = 0.03, 4
    mean_change = np.array([volatility * np.sqrt(2 / np.pi)])
    lower, upper, basis = nothing.bounds("a", horizon, np.array([100.0]), mean_change, 0.95)
    assert basis == "reference" and np.log(upper / lower) == pytest.approx(2 * 1.959964 * volatility * 2)
    assert nothing.confidence("a", horizon, mean_change) == pytest.approx(0.914, abs=0.02)


def test_confidence_is_the_share_that_lands_within_ten_percent():
    scores = np.linspace(-3, 3, 99)
    known = calibration(scores)
    scale = np.array([0.1, 0.01])
    inside = [np.mean((np.exp(scores * v) >= 0.9) & (np.exp(scores * v) <= 1.1)) * 99 / 100 for v in scale]
    assert known.confidence("a", 1, scale) == pytest.approx(inside)


def test_coverage_and_confidence_hold_on_walks():
    cells = made_cells({"a": 0.0, "b": 0.1, "c": 0.3}, seed=1, origins=90)
    bands, _ = replay(cells, "model")
    held = bands.calibrated
    assert held.mean() > 0.85 and not held[cells.origin < 400 + 8 * 8].any()
    for level, near in ((0.8, 0.03), (0.95, 0.02)):
        covered = metrics.coverage(cells.actual[held], bands.lower[level][held], bands.upper[level][held])
        assert covered == pytest.approx(level, abs=near)
    near = np.abs(cells.actual / cells.forecasts["model"] - 1) <= 0.1
    for good, horizon in ((0, 1), (0, 3), (0, 7), (2, 7)):
        share = held & (cells.good == good) & (cells.horizon == horizon)
        assert near[share].mean() == pytest.approx(bands.confidence[share].mean(), abs=0.05)
    assert np.all(np.diff(bands.quantiles[held], axis=1) >= 0) and bands.quantiles[held][:, 4] == pytest.approx(
        cells.forecasts["model"][held]
    )


def test_bands_rest_on_nothing_later_than_their_origin():
    cells = made_cells({"a": 0.1, "b": 0.2}, seed=2, origins=40)
    cut = 400 + 8 * 30
    changed = replace(cells, actual=np.where(cells.origin >= cut, cells.actual * 2, cells.actual))
    before, after = replay(cells, "model")[0], replay(changed, "model")[0]
    early = cells.origin <= cut
    for level in (0.8, 0.95):
        assert np.array_equal(before.lower[level][early], after.lower[level][early], equal_nan=True)
        assert not np.array_equal(before.lower[level][~early], after.lower[level][~early], equal_nan=True)
    overlapping = replace(cells, origin=400 + (cells.origin - 400) // 8)  # daily origins: most targets are still open
    assert replay(overlapping, "model")[0].calibrated.any()
    first = np.unique(overlapping.origin)[7 + 7]
    assert not replay(overlapping, "model")[0].calibrated[overlapping.origin < first].any()


def test_misses_widen_and_hits_narrow():
    cells = made_cells({"a": 0.0, "calm": 0.0}, seed=3, origins=60)
    broken = (cells.origin >= 400 + 8 * 30) & (cells.good == 0)
    naive = cells.naive
    wild = replace(cells, actual=np.where(broken, naive * (cells.actual / naive) ** 4, cells.actual))
    (fixed, _), (adaptive, known) = (replay(wild, "naive", gamma=gamma) for gamma in (0.0, 0.1))
    late = broken & (cells.origin >= 400 + 8 * 34)
    covered = [metrics.coverage(wild.actual[late], bands.lower[0.8][late], bands.upper[0.8][late]) for bands in (fixed, adaptive)]
    assert covered[1] > covered[0] + 0.02
    assert np.all(adaptive.lower[0.95] <= adaptive.lower[0.8]) and np.all(adaptive.upper[0.95] >= adaptive.upper[0.8])
    assert ALPHA_BOUNDS[0] <= known.alpha["a", 0.95] <= known.alpha["a", 0.8] < 0.2 and known.alpha["calm", 0.8] == pytest.approx(
        0.2, abs=0.1
    )


def test_no_cells_no_bands():
    bands, known = replay(made_cells({"a": 0.0}).where(np.zeros(0, dtype=int)), "naive")
    assert not len(bands.basis) and known.quantile("a", 1, 0.8)[1] == "reference"
