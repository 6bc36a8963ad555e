"""Scores, DBSCAN and forecast votes of single days, the rarity of a score, and events made from alarms."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from lakehouse.validation.dbscan import noise
from ml.anomalies.detection import StrengthHistory, group_alarms, measure_rarity, outliers
from ml.anomalies.forecast_vote import DayAheadForecast, naive_p_values
from ml.anomalies.observations import reports_of_panel
from ml.anomalies.scores import forest_scores, score_reports
from tests.support.anomaly_panels import CODES, DAYS, limits, make_reports


def with_factor(given, rows, columns, factor: float):
    price = given.price.copy()
    price[np.ix_(rows, columns)] *= factor
    return replace(given, price=price)


def test_jump_of_one_province_is_an_alarm_and_a_jump_of_all_is_not():
    quiet = make_reports(second=False)
    alone = score_reports(with_factor(quiet, [110], [3], 1.4), limits())
    assert alone.strength[110, 3] > 1 and np.nanmax(np.delete(alone.strength[110], 3)) < 1
    together = score_reports(with_factor(quiet, range(110, DAYS), range(len(CODES)), 1.4), limits())
    assert np.nanmax(together.strength[110:]) < 1


@pytest.mark.parametrize("factor", [0.01, 0.1, 10.0, 1000.0])
def test_unit_error_is_a_hard_alarm_and_no_closing(factor: float):
    scores = score_reports(with_factor(make_reports(second=False), [110], [3], factor), limits())
    assert scores.hard[110, 3] and scores.hard.sum() == 1 and np.isnan(scores.closing[110, 3])


def test_scores_of_a_day_do_not_depend_on_later_days():
    whole = make_reports()
    early = score_reports(whole.until(100), limits())
    late = score_reports(whole, limits())
    for name in vars(early):
        assert np.array_equal(getattr(early, name), getattr(late, name)[:100], equal_nan=True), name
    assert np.array_equal(forest_scores(early), forest_scores(late)[:100], equal_nan=True)
    assert np.array_equal(outliers(early, whole.days[:100]), outliers(late, whole.days)[:100])


def test_dbscan_noise_equals_scikit_learn():
    random = np.random.default_rng(3)
    for eps in (0.2, 0.5, 1.0):
        points = random.standard_normal((40, 2))
        distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        assert np.array_equal(noise(distance, eps), DBSCAN(eps=eps, min_samples=4).fit(points).labels_ == -1)


def test_dbscan_flags_a_province_away_from_the_others():
    scores = score_reports(with_factor(make_reports(second=False), [120], [3], 1.3), limits())
    apart = outliers(scores, make_reports().days)
    assert apart[120, 3] and apart[100:].mean() < 0.15


def test_rarity_is_a_rank_bounded_by_the_number_of_earlier_scores():
    days = np.repeat(np.arange(100), 20)
    own = StrengthHistory(days, np.arange(2000) / 2000)
    assert measure_rarity(0.9995, 100, own, [own]).p == 2 / 2001
    assert (
        measure_rarity(9.0, 100, own, [own]).p == 1 / 2001
        and measure_rarity(9.0, 100, own, [own]).severity(False) == "high"
    )
    assert measure_rarity(9.0, 100, own, [own]).severity(True) == "critical"
    young = measure_rarity(9.0, 10, own, [own, own])
    assert (young.basis, young.n) == ("all", 400) and young.severity(False) == "medium"
    assert (
        measure_rarity(9.0, 0, own, [own]).p == 1
        and measure_rarity(9.0, 0, own, [own]).severity(False) == "none"
    )
    assert measure_rarity(0.5, 100, own, [own]).severity(False) == "none"


def test_alarms_three_days_apart_are_one_event_and_four_days_apart_are_two():
    alarms = np.zeros((20, 2), dtype=bool)
    alarms[[2, 5, 9], 1] = True
    strength = np.where(alarms, 2.0, 0.0)
    strength[5, 1] = 3.0
    first, second = group_alarms(alarms, strength, np.arange(20))
    assert (first.rows, first.strongest, first.series, second.rows) == ((2, 5), 5, 1, (9,))
    assert len(group_alarms(alarms, strength, np.arange(20) * 2)) == 3


def test_p_value_of_a_forecast_falls_with_distance_and_matches_its_intervals():
    forecast = DayAheadForecast(100.0, (90.0, 110.0), (80.0, 125.0))
    assert forecast.p_value(100.0) == 1
    assert forecast.p_value(110.0) == pytest.approx(0.2) and forecast.p_value(125.0) == pytest.approx(0.05)
    assert forecast.p_value(90.0) == pytest.approx(0.2) and forecast.p_value(80.0) == pytest.approx(0.05)
    beyond = [forecast.p_value(price) for price in (126.0, 140.0, 200.0)]
    assert 0.05 > beyond[0] > beyond[1] > beyond[2] > 0
    assert (
        DayAheadForecast(100.0, (100.0, 100.0), (100.0, 100.0)).p_value(500.0) == 1
    )  # an interval without width cannot be used


def test_naive_p_values_are_uniform_on_quiet_days():
    given = make_reports(second=False)
    p = naive_p_values(np.vstack([np.full(len(CODES), np.nan), given.price[:-1]]), given.price)
    late = p[60:][np.isfinite(p[60:])]
    assert abs((late <= 0.1).mean() - 0.1) < 0.03


def test_degenerate_panels_raise_no_alarm():
    for price in (
        np.full((50, 3), np.nan),
        np.full((1, 3), 5000.0),
        np.full((80, 1), 5000.0),
        np.zeros((0, 2)),
    ):
        given = reports_of_panel(
            "bawang-merah",
            tuple(("p", f"PROV-{c}", c) for c in CODES[: price.shape[1]]),
            np.arange(len(price)),
            price,
        )
        scores = score_reports(given, limits())
        assert not (np.nan_to_num(scores.strength) > 1).any() and not scores.hard.any()
        assert not outliers(scores, given.days).any() and not np.isfinite(forest_scores(scores)).any()
