"""The gate on constructed cases: each condition alone rejects, and naive stays when no model passes."""

from dataclasses import replace

import numpy as np
import pytest

from ml.evaluation.conformal import calibrate
from ml.evaluation.gate import GateRequirements, assess, choose_champions, decide, decision_rows
from ml.evaluation.leakage_checks import ModelChecks
from ml.evaluation.significance import SkillTest
from tests.support.panels import walks
from tests.support.predictions import simulated_predictions

ALL_PASSED = ModelChecks(truncation=True, rerun=True, unchanged=True, leakage=True)
CLASSES = {"a": "volatile", "b": "medium", "c": "stable"}


@pytest.fixture(scope="module")
def predictions():
    return simulated_predictions({"a": 0.2, "b": 0.15, "c": 0.12})


@pytest.fixture(scope="module")
def intervals(predictions):
    return {model: calibrate(predictions, model)[0] for model in predictions.models}


def decide_all(predictions, checks=ALL_PASSED, intervals=None, **more):
    intervals = intervals or {model: calibrate(predictions, model)[0] for model in predictions.models}
    return decide(predictions, "model", intervals, CLASSES, checks, **more)


def reasons(decisions):
    return {commodity: " ".join(decision.reasons) for commodity, decision in decisions.items()}


def test_better_model_passes_for_every_commodity(predictions, intervals):
    decisions = decide_all(predictions, intervals=intervals)
    assert all(decision.passed for decision in decisions.values()), reasons(decisions)
    assert decisions["a"].scores.skill == pytest.approx(0.2) and decisions["a"].volatility == "volatile"
    assert all(champion.model == "model" for champion in choose_champions([decisions]).values())


def test_each_commodity_is_decided_by_itself():
    decisions = decide_all(simulated_predictions({"a": 0.25, "b": -0.05, "c": 0.2}))
    assert (
        decisions["a"].passed
        and decisions["c"].passed
        and "skill may be as low as" in reasons(decisions)["b"]
    )
    assert choose_champions([decisions])["b"] is None


def test_model_equal_to_naive_or_a_little_worse_serves_no_commodity():
    decisions = decide_all(simulated_predictions({"a": 0.25, "b": 0.0, "c": -0.005}))
    assert decisions["a"].passed and not decisions["b"].passed and not decisions["c"].passed
    assert choose_champions([decisions]) == {"a": decisions["a"], "b": None, "c": None}


def test_gain_that_is_significant_over_all_commodities_but_not_for_one_does_not_serve_it():
    predictions = simulated_predictions({"a": 0.2, "b": 0.15, "c": 0.0})
    here = predictions.commodity_index == 2
    luck = np.random.default_rng(0).normal(0.03, 0.15, predictions.origin.max() + 1)
    share = np.where(here, luck[predictions.origin], 0)
    forecast = predictions.forecasts["model"] + share * (predictions.actual - predictions.naive)
    decisions = decide_all(predictions.with_forecasts(model=forecast))
    own = decisions["c"]
    assert own.scores.skill_low > 0 and own.p_holm > 0.05 and len(own.reasons) == 1
    assert "not significantly better for this commodity (p = 0.096" in own.reasons[0]
    assert decisions["a"].passed and decisions["a"].p_holm < 0.01 and decisions["b"].passed


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"truncation": False}, "truncation"),
        ({"rerun": False}, "rerun"),
        ({"unchanged": False}, "unchanged"),
        ({"leakage": False}, "leakage"),
        ({"seconds": 1e4}, "took"),
    ],
)
def test_failed_check_rejects_every_commodity(predictions, intervals, fault, word):
    assert all(
        word in text
        for text in reasons(decide_all(predictions, replace(ALL_PASSED, **fault), intervals)).values()
    )


def test_too_few_origins_or_forecasts_reject_every_commodity(predictions, intervals):
    few = predictions.select(predictions.origin < 400 + 8 * 51)
    assert all("only 51 of 52 origins" in text for text in reasons(decide_all(few)).values())
    partial = replace(predictions, replaced={"model": len(predictions) // 10})
    assert all("gave only 90%" in text for text in reasons(decide_all(partial, intervals=intervals)).values())


def test_skill_on_random_walks_rejects_every_commodity(predictions, intervals):
    on_walks = SkillTest(skill=0.05, t=3.0, p=0.004, better=0.8, low=0.01, high=0.1, origins=65)
    assert all(
        "random walks" in text
        for text in reasons(decide_all(predictions, intervals=intervals, random_walk_test=on_walks)).values()
    )
    assert decide_all(predictions, intervals=intervals, random_walk_test=replace(on_walks, t=-9.0))[
        "a"
    ].passed  # worse than naive on random walks, as expected


def test_gain_by_chance_is_not_significant():
    random = np.random.default_rng(5)
    predictions = simulated_predictions({"a": 0.0, "b": 0.0, "c": 0.0})
    lucky = predictions.with_forecasts(
        model=predictions.naive * np.exp(0.01 * random.standard_normal(len(predictions)))
    )
    assert all("not significantly better" in text for text in reasons(decide_all(lucky)).values())


def test_interval_coverage_outside_its_bounds_rejects_the_commodity(predictions):
    intervals = {model: calibrate(predictions, model)[0] for model in predictions.models}  # changed below
    narrow, wide = predictions.commodity_index == 0, predictions.commodity_index == 1
    for side, away in ((intervals["model"].lower[0.8], 0.5), (intervals["model"].upper[0.8], 2.0)):
        side[narrow] = predictions.forecasts["model"][narrow]
        side[wide] *= away
    decisions = decide(predictions, "model", intervals, CLASSES, ALL_PASSED)
    assert (
        "covered 0.0%" in reasons(decisions)["a"]
        and "covered 100.0%" in reasons(decisions)["b"]
        and decisions["c"].passed
    )


def test_too_high_quantile_loss_rejects_every_commodity(predictions, intervals):
    assert all(
        "quantile loss" in text
        for text in reasons(
            decide_all(predictions, intervals=intervals, requirements=GateRequirements(wql=0.5, own_wql=0.5))
        ).values()
    )


def test_quantile_loss_above_naive_rejects_that_commodity_alone(predictions):
    intervals = {model: calibrate(predictions, model)[0] for model in predictions.models}
    here = predictions.commodity_index == 2
    middle = predictions.forecasts["model"][here, None]
    intervals["model"].quantiles[here] = middle * (intervals["model"].quantiles[here] / middle) ** 2
    decisions = decide(
        predictions, "model", intervals, CLASSES, ALL_PASSED
    )  # 0.886 of the loss of naive over all commodities, 1.012 of it here
    assert decisions["a"].passed and "quantile loss" in reasons(decisions)["c"]


def test_model_with_the_highest_lower_bound_of_skill_serves(predictions):
    better = predictions.with_forecasts(
        better=predictions.naive + 0.3 * (predictions.actual - predictions.naive)
    )
    assessment = assess_all(better, {"model": ALL_PASSED, "better": ALL_PASSED})
    assert {champion.model for champion in assessment.champions.values()} == {"better"}
    rows = decision_rows(assessment.decisions.values())
    assert (
        len(rows) == 6
        and all(row["passed"] for row in rows)
        and {"skill", "coverage_80", "p_holm"} <= set(rows[0])
    )
    assert assessment.summary("a").startswith("better: skill +30.0%")
    assert set(assess_all(better, {"model": ALL_PASSED}).champions) == {"a", "b", "c"}
    assert {champion.model for champion in assess_all(better, {"model": ALL_PASSED}).champions.values()} == {
        "model"
    }  # a model without checks does not serve


def assess_all(predictions, checks):
    return assess(walks(1, commodities=("a", "b", "c"), days=500), predictions, checks)


def test_no_cells_or_no_checks_give_no_champion():
    assessment = assess_all(
        simulated_predictions({"a": 0.2}).select(np.zeros(0, dtype=int)), {"model": ALL_PASSED}
    )
    assert assessment.champions == {"a": None} and assessment.summary("a") == "naive: no model was evaluated"
    refused = assess_all(simulated_predictions({"a": 0.2, "b": 0.1}), {})
    assert refused.summary("b").startswith("naive: no model is better; the best was model: skill +10.0%")
    assert "truncation" in refused.summary("b")
