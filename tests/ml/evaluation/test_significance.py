"""Significance over origins: cases worked by hand, an independent implementation, and random walks."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from ml.evaluation.backtest import plan, run
from ml.evaluation.significance import holm, long_run_variance, origin_test, skill_interval, skill_test
from tests.support.panels import noisy, walks


class Smoothed:
    """Mean of the last five prices."""

    name = "smoothed"

    def fit(self, panel):
        pass

    def predict(self, panel, horizons=tuple(range(1, 8))):
        return np.repeat(panel.filled[:, -5:].mean(axis=1, keepdims=True), len(horizons), axis=1)


def test_long_run_variance_worked_by_hand():
    values = np.array([1.0, 3.0, 2.0, 6.0])  # centred -2 0 -1 3
    assert long_run_variance(values, 0) == pytest.approx(14 / 4)
    assert long_run_variance(values, 1) == pytest.approx(14 / 4 + 2 * 0.5 * (0 + 0 - 3) / 4)
    assert long_run_variance(values, 2) == pytest.approx(14 / 4 + 2 * (2 / 3 * -3 / 4 + 1 / 3 * 2 / 4))


def test_t_equals_newey_west_of_statsmodels():
    difference = np.random.default_rng(1).standard_normal(40).cumsum() * 0.1 + 0.3
    fitted = OLS(difference, np.ones(40)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 2, "use_correction": False}
    )
    t, p = origin_test(difference, horizon=14, step=8)
    factor = np.sqrt((41 - 4 + 2 / 40) / 40)
    assert t == pytest.approx(float(fitted.tvalues[0]) * factor)
    assert p == pytest.approx(2 * stats.t.sf(abs(t), 39))


def test_constant_differences_give_p_zero_or_one():
    assert origin_test(np.zeros(20), 7, 8) == (0.0, 1.0)
    assert origin_test(np.full(20, 0.5), 7, 8) == (np.inf, 0.0)
    rounded = np.full(20, 0.1) + np.arange(20) % 3 * 1e-17 + np.spacing(0.1) * (np.arange(20) % 2)
    assert origin_test(rounded, 7, 8) == (np.inf, 0.0), "rounding is no variance"


def test_holm_worked_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": np.nan}) == pytest.approx(
        {"a": 0.04, "b": 0.09, "c": 0.09, "d": 1.0}
    )


def test_skill_interval_contains_the_skill_and_is_a_point_for_a_fixed_ratio():
    other = np.random.default_rng(2).uniform(1, 2, 60)
    assert skill_interval(0.9 * other, other) == pytest.approx((0.1, 0.1))
    own = other * np.random.default_rng(3).uniform(0.8, 1.0, 60)
    low, high = skill_interval(own, other)
    assert low < 1 - own.sum() / other.sum() < high < low + 0.05
    assert skill_interval(own, other) == (low, high)


def run_smoothed(panel, tmp_path):
    predictions = run(panel, {"smoothed": Smoothed}, plan(panel, origins=30, first_days=60), tmp_path)
    return predictions, skill_test(predictions, "smoothed")


def test_smoothing_is_significantly_better_on_noisy_prices(tmp_path):
    predictions, skill = run_smoothed(noisy(1, days=330, noise=0.06), tmp_path)
    assert (
        skill.skill > 0.2
        and skill.t > 4
        and skill.p < 0.001
        and skill.better > 0.9
        and 0 < skill.low < skill.skill < skill.high
    )
    itself = skill_test(predictions, "naive")
    assert (itself.skill, itself.t, itself.p) == (0, 0, 1)


def test_too_few_origins_give_nan(tmp_path):
    predictions, _ = run_smoothed(noisy(1, days=330, noise=0.06), tmp_path)
    few = skill_test(predictions.select(predictions.origin < np.unique(predictions.origin)[7]), "smoothed")
    assert np.isnan([few.skill, few.p, few.low]).all() and few.origins == 7


@pytest.mark.parametrize("seed", range(4))
def test_smoothing_is_worse_than_naive_on_random_walks(tmp_path, seed):
    _, skill = run_smoothed(walks(seed, days=330, national=0.4), tmp_path)
    assert skill.skill < 0 and skill.t < 0


def test_rate_of_false_positives_is_about_the_level():
    """Differences of mean zero: p is below 0.05 in 5 % of draws, and below 9 % with correlated neighbours."""
    draws = np.random.default_rng(4).standard_normal((2_000, 53))
    false_positives = [
        np.mean([origin_test(row, horizon=7, step=8)[1] < 0.05 for row in rows])
        for rows in (draws[:, 1:], draws[:, 1:] + 0.3 * draws[:, :-1])
    ]
    assert 0.03 < false_positives[0] < 0.07 and false_positives[1] < 0.09
