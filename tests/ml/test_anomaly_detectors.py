"""What the detectors call strange, how rare it is, and how days become events."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from ml.anomaly_events import events
from ml.anomaly_forecast import Issued, naive_p_values
from ml.anomaly_reports import plain
from ml.anomaly_scores import forest_scores, scores
from ml.anomaly_severity import Past, rarity
from ml.anomaly_space import noise, outliers
from tests.ml.anomaly_panels import CODES, DAYS, limits, made


def with_factor(given, rows, columns, factor: float):
    price = given.price.copy()
    price[np.ix_(rows, columns)] *= factor
    return replace(given, price=price)


def test_a_jump_of_one_is_strange_a_jump_of_all_is_not():
    quiet = made(second=False)
    alone = scores(with_factor(quiet, [110], [3], 1.4), limits())
    assert alone.strength[110, 3] > 1 and np.nanmax(np.delete(alone.strength[110], 3)) < 1
    together = scores(with_factor(quiet, range(110, DAYS), range(len(CODES)), 1.4), limits())
    assert np.nanmax(together.strength[110:]) < 1


@pytest.mark.parametrize("factor", [0.01, 0.1, 10.0, 1000.0])
def test_a_slip_of_the_unit_is_hard_and_is_no_closing(factor: float):
    found = scores(with_factor(made(second=False), [110], [3], factor), limits())
    assert found.hard[110, 3] and found.hard.sum() == 1 and np.isnan(found.closing[110, 3])


def test_a_day_is_judged_by_itself_and_by_earlier_days_alone():
    whole = made()
    early, late = scores(whole.until(100), limits()), scores(whole, limits())
    for name in vars(early):
        assert np.array_equal(getattr(early, name), getattr(late, name)[:100], equal_nan=True), name
    assert np.array_equal(forest_scores(early), forest_scores(late)[:100], equal_nan=True)
    assert np.array_equal(outliers(early, whole.days[:100]), outliers(late, whole.days)[:100])


def test_noise_is_what_scikit_learn_labels_so():
    random = np.random.default_rng(3)
    for eps in (0.2, 0.5, 1.0):
        points = random.standard_normal((40, 2))
        distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        assert np.array_equal(noise(distance, eps), DBSCAN(eps=eps, min_samples=4).fit(points).labels_ == -1)


def test_dbscan_sees_a_province_apart():
    found = scores(with_factor(made(second=False), [120], [3], 1.3), limits())
    apart = outliers(found, made().days)
    assert apart[120, 3] and apart[100:].mean() < 0.15


def test_rarity_is_a_rank_that_cannot_claim_more_than_it_has_seen():
    days = np.repeat(np.arange(100), 20)
    own = Past(days, np.arange(2000) / 2000)
    assert rarity(0.9995, 100, own, [own]).p == 2 / 2001
    assert rarity(9.0, 100, own, [own]).p == 1 / 2001 and rarity(9.0, 100, own, [own]).severity(False) == "high"
    assert rarity(9.0, 100, own, [own]).severity(True) == "critical"
    young = rarity(9.0, 10, own, [own, own])
    assert (young.basis, young.n) == ("all", 400) and young.severity(False) == "medium"
    assert rarity(9.0, 0, own, [own]).p == 1 and rarity(9.0, 0, own, [own]).severity(False) == "none"
    assert rarity(0.5, 100, own, [own]).severity(False) == "none"


def test_alarms_three_days_apart_are_one_event_and_four_are_two():
    alarms = np.zeros((20, 2), dtype=bool)
    alarms[[2, 5, 9], 1] = True
    strength = np.where(alarms, 2.0, 0.0)
    strength[5, 1] = 3.0
    first, second = events(alarms, strength, np.arange(20))
    assert (first.rows, first.strongest, first.series, second.rows) == ((2, 5), 5, 1, (9,))
    assert len(events(alarms, strength, np.arange(20) * 2)) == 3


def test_p_of_a_forecast_falls_with_distance_and_meets_its_intervals():
    made_forecast = Issued(100.0, (90.0, 110.0), (80.0, 125.0))
    assert made_forecast.p_value(100.0) == 1
    assert made_forecast.p_value(110.0) == pytest.approx(0.2) and made_forecast.p_value(125.0) == pytest.approx(0.05)
    assert made_forecast.p_value(90.0) == pytest.approx(0.2) and made_forecast.p_value(80.0) == pytest.approx(0.05)
    beyond = [made_forecast.p_value(price) for price in (126.0, 140.0, 200.0)]
    assert 0.05 > beyond[0] > beyond[1] > beyond[2] > 0
    assert Issued(100.0, (100.0, 100.0), (100.0, 100.0)).p_value(500.0) == 1  # an interval of no width says nothing


def test_naive_p_values_are_uniform_on_quiet_days():
    given = made(second=False)
    p = naive_p_values(np.vstack([np.full(len(CODES), np.nan), given.price[:-1]]), given.price)
    late = p[60:][np.isfinite(p[60:])]
    assert abs((late <= 0.1).mean() - 0.1) < 0.03


def test_degenerate_panels_are_silent():
    for price in (np.full((50, 3), np.nan), np.full((1, 3), 5000.0), np.full((80, 1), 5000.0), np.zeros((0, 2))):
        given = plain("bawang-merah", tuple(("p", f"PROV-{c}", c) for c in CODES[: price.shape[1]]), np.arange(len(price)), price)
        found = scores(given, limits())
        assert not (np.nan_to_num(found.strength) > 1).any() and not found.hard.any()
        assert not outliers(found, given.days).any() and not np.isfinite(forest_scores(found)).any()
