"""Figures of risks computed by hand, and what the gate refuses."""

from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation.leakage_checks import ModelChecks
from ml.risk.evaluation import RiskCases, RiskFigures, RiskRequirements, figures, gate_faults

SOUND = ModelChecks(truncation=True, rerun=True, unchanged=True, leakage=True)


def cases(risk: list[float], rises: list[bool]) -> RiskCases:
    """Cases of one origin, of shallots and rice in turns."""
    count = len(risk)
    return RiskCases(
        commodity=np.array(["bawang-merah", "beras-medium"] * (count // 2)),
        origin=np.zeros(count, dtype=np.int64),
        risk=np.array(risk),
        rises=np.array(rises),
        volatility=np.linspace(1, 2, count),
        lead_days=np.where(rises, np.arange(1, count + 1), 0),
    )


def test_figures_equal_those_by_hand():
    measured = figures(cases([0.9, 0.2, 0.6, 0.1], [True, False, False, True]), 0.6)
    # Ranked .9 .6 .2 .1, the first and the last rise: precision 1 at half of the rises, 2/4 at all.
    assert measured.average_precision == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert measured.brier == pytest.approx((0.01 + 0.04 + 0.36 + 0.81) / 4)
    assert measured.brier_skill == pytest.approx(1 - measured.brier / 0.25), (
        "each commodity rises half the time"
    )
    assert (measured.cases, measured.alerts, measured.hit_rate) == (4, 2, 0.5)
    assert measured.false_alarm_ratio == 0.5 and measured.base_rate == 0.5
    assert (measured.alerts_a_day, measured.median_lead_days) == (2.0, 1.0), "one origin; the first was right"
    assert measured.volatile_ratio == pytest.approx(1 / 0.5), "of the two shallots the one that rose is first"


def test_reliability_is_measured_in_bins_of_a_hundred_cases():
    risk = [0.25] * 200 + [0.95] * 98
    rises = ([True] + [False] * 3) * 50 + [False] * 98
    assert figures(cases(risk, rises), 0.6).reliability_gap == pytest.approx(0)
    assert figures(cases([*risk, 0.95, 0.95], [*rises, False, False]), 0.6).reliability_gap == (
        pytest.approx(0.95)
    )


PASSING = RiskFigures(1000, 52, 0.05, 0.40, 0.2, 0.03, 0.22, 0.05, 2.6, 0.3, 10, 0.3, 0.5, 0.2, 4.0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"origins": 51}, "origins 51, 52 needed"),
        ({"average_precision": 0.399}, "average precision 0.399, 0.40 needed"),
        ({"brier_skill": 0.21}, "brier skill 0.21, 0.22 needed"),
        ({"reliability_gap": 0.06}, "reliability gap 0.06, 0.05 allowed"),
        ({"volatile_ratio": 2.4}, "volatile ratio 2.4, 2.50 needed"),
        ({"volatility_precision": 0.41}, "volatility alone ranks as well"),
    ],
)
def test_gate_names_what_a_model_fails(change: dict[str, float], fault: str):
    for ratio in (PASSING.volatile_ratio, float("nan")):
        assert gate_faults(replace(PASSING, volatile_ratio=ratio), SOUND, RiskRequirements()) == ()
    assert gate_faults(replace(PASSING, **change), SOUND, RiskRequirements()) == (fault,)  # type: ignore[arg-type]


def test_model_that_sees_the_future_never_passes():
    leaking = replace(SOUND, truncation=False, leakage=False)
    faults = gate_faults(PASSING, leaking, RiskRequirements())
    assert faults == ("check truncation failed", "check leakage failed")
