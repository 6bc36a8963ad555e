"""Cases and counts of the anomaly bench."""

from datetime import date, timedelta

import numpy as np
import pytest

from ml.anomalies.job import thresholds_of_day
from scripts.bench.anomalies import LabelledCase, confusion, detectors, label_cases, macro_f1
from scripts.bench.anomaly_cases import LABEL_OF_KIND, synthetic_prices
from scripts.bench.price_faults import PriceFault, Prices
from tests.support.anomaly_panels import CODES

DAYS, FIRST = 260, 160


def panel() -> Prices:
    random = np.random.default_rng(4)
    shape = (DAYS, 2, len(CODES))
    steps = 0.008 * random.standard_normal((DAYS, 2, 1)) + 0.008 * random.standard_normal(shape)
    level = np.log(np.array([35_000.0, 135_000.0]))[None, :, None]
    days = [date(2023, 9, 1) + timedelta(nth) for nth in range(DAYS)]
    return Prices(
        np.round(np.exp(level + np.cumsum(steps, axis=0))), days, ["bawang-merah", "daging-sapi"], list(CODES)
    )


def test_macro_f1_equals_a_calculation_by_hand():
    pairs = [
        ("shock", "shock"),
        ("shock", "unknown"),
        ("manipulation", "manipulation"),
        ("unknown", "unknown"),
    ]
    # shock 2·1/(2+1), manipulation 1, unknown 2·1/(1+2); sample_noise was neither true nor assigned
    assert macro_f1(pairs) == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert macro_f1([("sample_noise", "shock")]) == 0 and macro_f1([]) == 0


def test_confusion_counts_cases_without_an_alarm_separately():
    figures = confusion(
        [
            LabelledCase("push", "unknown", "manipulation"),
            LabelledCase("push", None, None),
            LabelledCase("local", "shock", "manipulation"),
        ]
    )
    assert figures["put_in"]["manipulation"] == "shock 0 manipulation 1 sample_noise 0 unknown 0 no_alarm 1"
    assert figures["shocks_called_manipulation"] == 1 and figures["cases"] == 3
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-3)


def test_same_seed_gives_the_same_cases_and_every_case_is_labelled():
    thresholds = thresholds_of_day()
    first, second = (synthetic_prices(panel(), 0, FIRST, thresholds, seed=7) for _ in range(2))
    assert [case for synthetic in first for case in synthetic.cases] == [
        case for synthetic in second for case in synthetic.cases
    ]
    assert np.array_equal(first[0].first, second[0].first, equal_nan=True)
    assert all(
        np.array_equal(synthetic.first[: FIRST - 1], panel().idr[: FIRST - 1, nth])
        for nth, synthetic in enumerate(first)
    )
    cases = label_cases(first, thresholds)
    assert {case.kind for case in cases} <= set(LABEL_OF_KIND) and len(cases) >= 5
    assert not [
        case for case in cases if LABEL_OF_KIND[case.kind] == "shock" and case.final == "manipulation"
    ]


def test_injected_spike_is_detected():
    prices, thresholds = panel(), thresholds_of_day()
    idr = prices.idr.copy()
    idr[200, 0, 3] *= 1.5
    alarms = detectors(prices, idr, [PriceFault("spike", 0, (3,), 200, 200)], thresholds, FIRST, DAYS)
    assert alarms["residual"]["recall"] == 1 and alarms["residual"]["found.spike"] == 1
    assert set(alarms) >= {"residual", "isolation_forest", "dbscan", "naive_forecast"}
