"""How the bench of the anomaly detectors makes its cases and counts."""

from datetime import date, timedelta

import numpy as np
import pytest

from ml.anomalies import thresholds_of_day
from scripts.bench.anomalies import Called, confusion, detectors, labelled, macro_f1
from scripts.bench.anomaly_cases import LABELS, worlds
from scripts.bench.price_faults import Fault, Prices
from tests.ml.anomaly_panels import CODES

DAYS, FIRST = 260, 160


def panel() -> Prices:
    random = np.random.default_rng(4)
    shape = (DAYS, 2, len(CODES))
    steps = 0.008 * random.standard_normal((DAYS, 2, 1)) + 0.008 * random.standard_normal(shape)
    level = np.log(np.array([35_000.0, 135_000.0]))[None, :, None]
    days = [date(2023, 9, 1) + timedelta(nth) for nth in range(DAYS)]
    return Prices(np.round(np.exp(level + np.cumsum(steps, axis=0))), days, ["bawang-merah", "daging-sapi"], list(CODES))


def test_macro_f1_by_hand():
    pairs = [("shock", "shock"), ("shock", "unknown"), ("manipulation", "manipulation"), ("unknown", "unknown")]
    # shock 2·1/(2+1), manipulation 1, unknown 2·1/(1+2); sample_noise was neither put in nor called
    assert macro_f1(pairs) == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert macro_f1([("sample_noise", "shock")]) == 0 and macro_f1([]) == 0


def test_confusion_keeps_what_raised_no_alarm_apart():
    found = confusion(
        [Called("push", "unknown", "manipulation"), Called("push", None, None), Called("local", "shock", "manipulation")]
    )
    assert found["put_in"]["manipulation"] == "shock 0 manipulation 1 sample_noise 0 unknown 0 no_alarm 1"
    assert found["shocks_called_manipulation"] == 1 and found["cases"] == 3
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-3)


def test_cases_are_drawn_alike_from_one_seed_and_called_something():
    thresholds = thresholds_of_day()
    one, two = (worlds(panel(), 0, FIRST, thresholds, seed=7) for _ in range(2))
    assert [case for world in one for case in world.cases] == [case for world in two for case in world.cases]
    assert np.array_equal(one[0].first, two[0].first, equal_nan=True)
    assert all(np.array_equal(world.first[: FIRST - 1], panel().idr[: FIRST - 1, nth]) for nth, world in enumerate(one))
    called = labelled(one, thresholds)
    assert {case.kind for case in called} <= set(LABELS) and len(called) >= 5
    assert not [case for case in called if LABELS[case.kind] == "shock" and case.final == "manipulation"]


def test_a_planted_spike_counts_as_found():
    prices, thresholds = panel(), thresholds_of_day()
    idr = prices.idr.copy()
    idr[200, 0, 3] *= 1.5
    made = detectors(prices, idr, [Fault("spike", 0, (3,), 200, 200)], thresholds, FIRST, DAYS)
    assert made["residual"]["recall"] == 1 and made["residual"]["found.spike"] == 1
    assert set(made) >= {"residual", "isolation_forest", "dbscan", "naive_forecast"}
