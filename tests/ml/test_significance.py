"""The tests at origin level against hand-made cases, an independent implementation, and walks that nobody can forecast."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from ml.backtest import plan, run
from ml.significance import holm, long_run_variance, origin_test, skill_interval, verdict
from tests.ml.made_panels import noisy, walks


class Smoothed:
    """Mean of the last five prices."""

    name = "smoothed"

    def fit(self, panel):
        pass

    def forecast(self, panel, horizons=tuple(range(1, 8))):
        return np.repeat(panel.filled[:, -5:].mean(axis=1, keepdims=True), len(horizons), axis=1)


def test_long_run_variance_by_hand():
    values = np.array([1.0, 3.0, 2.0, 6.0])  # centred -2 0 -1 3
    assert long_run_variance(values, 0) == pytest.approx(14 / 4)
    assert long_run_variance(values, 1) == pytest.approx(14 / 4 + 2 * 0.5 * (0 + 0 - 3) / 4)
    assert long_run_variance(values, 2) == pytest.approx(14 / 4 + 2 * (2 / 3 * -3 / 4 + 1 / 3 * 2 / 4))


def test_t_agrees_with_an_independent_newey_west():
    difference = np.random.default_rng(1).standard_normal(40).cumsum() * 0.1 + 0.3
    fitted = OLS(difference, np.ones(40)).fit(cov_type="HAC", cov_kwds={"maxlags": 2, "use_correction": False})
    t, p = origin_test(difference, horizon=14, step=8)
    factor = np.sqrt((41 - 4 + 2 / 40) / 40)
    assert t == pytest.approx(float(fitted.tvalues[0]) * factor)
    assert p == pytest.approx(2 * stats.t.sf(abs(t), 39))


def test_equal_differences_leave_nothing_to_test():
    assert origin_test(np.zeros(20), 7, 8) == (0.0, 1.0)
    assert origin_test(np.full(20, 0.5), 7, 8) == (np.inf, 0.0)


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": np.nan}) == pytest.approx({"a": 0.04, "b": 0.09, "c": 0.09, "d": 1.0})


def test_interval_of_skill_holds_the_skill_and_is_a_point_for_a_fixed_ratio():
    other = np.random.default_rng(2).uniform(1, 2, 60)
    assert skill_interval(0.9 * other, other) == pytest.approx((0.1, 0.1))
    own = other * np.random.default_rng(3).uniform(0.8, 1.0, 60)
    low, high = skill_interval(own, other)
    assert low < 1 - own.sum() / other.sum() < high < low + 0.05
    assert skill_interval(own, other) == (low, high)


def judged(panel, tmp_path):
    cells = run(panel, {"smoothed": Smoothed}, plan(panel, origins=30, first_days=60), tmp_path)
    return cells, verdict(cells, "smoothed")


def test_what_is_better_is_found_better(tmp_path):
    cells, found = judged(noisy(1, days=330, noise=0.06), tmp_path)
    assert (
        found.skill > 0.2 and found.t > 4 and found.p < 0.001 and found.better > 0.9 and 0 < found.low < found.skill < found.high
    )
    itself = verdict(cells, "naive")
    assert (itself.skill, itself.t, itself.p) == (0, 0, 1)


def test_few_origins_are_no_verdict(tmp_path):
    cells, _ = judged(noisy(1, days=330, noise=0.06), tmp_path)
    few = verdict(cells.where(cells.origin < np.unique(cells.origin)[7]), "smoothed")
    assert np.isnan([few.skill, few.p, few.low]).all() and few.origins == 7


@pytest.mark.parametrize("seed", range(4))
def test_on_walks_smoothing_is_found_worse_not_better(tmp_path, seed):
    _, found = judged(walks(seed, days=330, national=0.4), tmp_path)
    assert found.skill < 0 and found.t < 0


def test_a_coin_beats_naive_no_more_often_than_p_says():
    """Differences without mean: p below .05 in one case of twenty, and in not many more when neighbours are alike."""
    draws = np.random.default_rng(4).standard_normal((2_000, 53))
    false = [
        np.mean([origin_test(row, horizon=7, step=8)[1] < 0.05 for row in rows])
        for rows in (draws[:, 1:], draws[:, 1:] + 0.3 * draws[:, :-1])
    ]
    assert 0.03 < false[0] < 0.07 and false[1] < 0.09
