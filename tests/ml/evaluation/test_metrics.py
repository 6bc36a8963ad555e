"""Each metric against a case worked by hand."""

import numpy as np
import pytest

from ml.evaluation import metrics

ACTUAL = np.array([100.0, 200.0, 400.0, 300.0])
FORECAST = np.array([110.0, 190.0, 400.0, 270.0])  # errors -10, 10, 0, 30
NAIVE = np.array([120.0, 180.0, 380.0, 260.0])  # errors -20, 20, 20, 40


def test_errors_worked_by_hand():
    assert metrics.wape(ACTUAL, FORECAST) == pytest.approx(50 / 1000)
    assert metrics.mape(ACTUAL, FORECAST) == pytest.approx((0.1 + 0.05 + 0 + 0.1) / 4)
    assert metrics.mae(ACTUAL, FORECAST) == pytest.approx(12.5)
    assert metrics.rmse(ACTUAL, FORECAST) == pytest.approx(np.sqrt(1100 / 4))
    assert metrics.rel_mae(ACTUAL, FORECAST, NAIVE) == pytest.approx(0.5)
    assert metrics.skill(ACTUAL, FORECAST, NAIVE) == pytest.approx(0.5)


def test_skill_is_zero_for_the_same_forecast_and_negative_for_a_worse_one():
    assert metrics.skill(ACTUAL, NAIVE, NAIVE) == 0
    assert metrics.skill(ACTUAL, NAIVE, FORECAST) == pytest.approx(-1)
    assert metrics.skill(ACTUAL, ACTUAL, ACTUAL) == 0  # both without error


def test_geometric_ratio_weighs_series_equally_and_is_clipped():
    series = np.array([0, 0, 5, 5])  # ratios 20/40 and 30/60
    assert metrics.geometric_rel_mae(ACTUAL, FORECAST, NAIVE, series) == pytest.approx(0.5)
    perfect = np.array([100.0, 200.0, 420.0, 260.0])  # ratios 0 -> .01 and 60/60
    assert metrics.geometric_rel_mae(ACTUAL, perfect, NAIVE, series) == pytest.approx(0.1)


def test_usual_step_skips_gaps_and_has_a_floor_for_constant_series():
    price = np.array(
        [[10.0, 12.0, np.nan, 20.0, 17.0], [50.0] * 5, [np.nan] * 5, [9.0, np.nan, np.nan, np.nan, np.nan]]
    )
    step = metrics.usual_step(price)
    assert (
        step[0] == pytest.approx((2 + 3) / 2)
        and step[1] == pytest.approx(0.05)
        and step[3] == pytest.approx(0.009)
    )
    assert np.isnan(step[2])
    assert metrics.usual_step(price, season=3)[0] == pytest.approx((10 + 5) / 2)
    assert metrics.mase(ACTUAL, FORECAST, np.array([10.0, 5.0, 1.0, 60.0])) == pytest.approx(
        (1 + 2 + 0 + 0.5) / 4
    )


def test_pinball_and_wql_worked_by_hand():
    quantile = np.array([90.0, 210.0])
    actual = np.array([100.0, 200.0])  # e = 10, -10
    assert metrics.pinball(actual, quantile, 0.9) == pytest.approx((9 + 1) / 2)
    assert metrics.pinball(actual, quantile, 0.5) == pytest.approx(5)
    quantiles = np.column_stack([quantile, quantile])
    assert metrics.wql(actual, quantiles, (0.5, 0.9)) == pytest.approx(2 * (10 + 10) / (2 * 300))
    medians = np.repeat(FORECAST[:, None], 9, axis=1)
    assert metrics.wql(ACTUAL, medians) == pytest.approx(metrics.wape(ACTUAL, FORECAST))  # a known identity


def test_coverage_width_and_msis_worked_by_hand():
    lower, upper = np.array([90.0, 210.0, 380.0, 200.0]), np.array([120.0, 240.0, 400.0, 290.0])
    assert metrics.coverage(ACTUAL, lower, upper) == 0.5  # the bound itself is inside
    assert metrics.width(ACTUAL, lower, upper) == pytest.approx((0.3 + 0.15 + 0.05 + 0.3) / 4)
    step = np.array([10.0, 10.0, 20.0, 30.0])
    by_hand = (30 / 10 + (30 + 10 * 10) / 10 + 20 / 20 + (90 + 10 * 10) / 30) / 4  # 2/alpha = 10
    assert metrics.msis(ACTUAL, lower, upper, 0.8, step) == pytest.approx(by_hand)


def test_direction_counts_large_moves_only_and_an_unchanged_forecast_is_a_miss():
    last = np.array([100.0, 100.0, 100.0, 100.0, 100.0])
    actual = np.array([105.0, 110.0, 90.0, 100.5, 120.0])  # up, up, down, too small, up
    forecast = np.array([101.0, 100.0, 95.0, 90.0, 99.0])  # hit, none, hit, -, miss
    assert metrics.direction(actual, forecast, last) == (0.5, 0.75)


def test_win_rate_counts_origins_not_cells():
    origin = np.array([3, 3, 9, 9])
    forecast = np.array([110.0, 190.0, 360.0, 260.0])  # origin 3: 20 < 40; origin 9: 80 > 60
    assert metrics.win_rate(origin, ACTUAL, forecast, NAIVE) == 0.5


def test_metrics_of_no_cells_are_nan():
    none = np.empty(0)
    assert np.isnan(
        [metrics.wape(none, none), metrics.mape(none, none), metrics.skill(none, none, none)]
    ).all()
    assert (
        np.isnan(metrics.coverage(none, none, none)) and np.isnan(metrics.direction(none, none, none)).all()
    )
    assert np.isnan(metrics.wql(none, np.empty((0, 9)))) and np.isnan(
        metrics.win_rate(none.astype(int), none, none, none)
    )
