"""The gate on constructed cases: each condition alone refuses, and naive stays when nothing is worthy."""

from dataclasses import replace

import numpy as np
import pytest

from ml.checks import Checks
from ml.gate import Bar, champions, decide, table
from ml.intervals import replay
from ml.judge import judge, on_holdout, served
from ml.significance import Verdict
from tests.ml.made_cells import made_cells
from tests.ml.made_panels import walks

GOOD = Checks(truncation=True, rerun=True, unchanged=True, leakage=True)
CLASSES = {"a": "volatile", "b": "medium", "c": "stable"}


@pytest.fixture(scope="module")
def cells():
    return made_cells({"a": 0.2, "b": 0.15, "c": 0.12})


@pytest.fixture(scope="module")
def bands(cells):
    return {model: replay(cells, model)[0] for model in cells.models}


def decided(cells, checks=GOOD, bands=None, **more):
    bands = bands or {model: replay(cells, model)[0] for model in cells.models}
    return decide(cells, "model", bands, CLASSES, checks, **more)


def reasons(decisions):
    return {good: " ".join(one.reasons) for good, one in decisions.items()}


def test_a_better_model_passes_everywhere(cells, bands):
    found = decided(cells, bands=bands)
    assert all(one.passed for one in found.values()), reasons(found)
    assert found["a"].figures.skill == pytest.approx(0.2) and found["a"].volatility == "volatile"
    assert all(one.model == "model" for one in champions([found]).values())


def test_each_commodity_is_judged_for_itself():
    found = decided(made_cells({"a": 0.25, "b": -0.05, "c": 0.2}))
    assert found["a"].passed and found["c"].passed and "skill may be as low as" in reasons(found)["b"]
    assert champions([found])["b"] is None


def test_naive_under_another_name_passes_nowhere_but_where_nothing_is_to_gain():
    found = decided(made_cells({"a": 0.25, "b": 0.0, "c": 0.0}))
    assert found["b"].figures.skill_low == 0 and not found["b"].passed
    assert found["c"].passed and champions([found])["c"] is None


def test_a_stable_commodity_may_lose_a_little_but_naive_is_kept_for_it():
    found = decided(made_cells({"a": 0.25, "b": 0.2, "c": -0.005}))
    assert found["c"].passed and champions([found])["c"] is None
    assert not decided(made_cells({"a": 0.25, "b": -0.005, "c": 0.2}))["b"].passed  # a medium one may not
    assert not decided(made_cells({"a": 0.25, "b": 0.2, "c": -0.02}))["c"].passed


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        ({"truncation": False}, "truncation"),
        ({"rerun": False}, "rerun"),
        ({"unchanged": False}, "unchanged"),
        ({"leakage": False}, "leakage"),
        ({"seconds": 1e4}, "took"),
    ],
)
def test_a_failed_check_refuses_all(cells, bands, spoil, word):
    assert all(word in said for said in reasons(decided(cells, replace(GOOD, **spoil), bands)).values())


def test_too_few_origins_or_answers_refuse_all(cells, bands):
    few = cells.where(cells.origin < 400 + 8 * 51)
    assert all("only 51 of 52 origins" in said for said in reasons(decided(few)).values())
    silent = replace(cells, replaced={"model": len(cells) // 10})
    assert all("answered only 90%" in said for said in reasons(decided(silent, bands=bands)).values())


def test_skill_on_random_walks_refuses_all(cells, bands):
    found = Verdict(skill=0.05, t=3.0, p=0.004, better=0.8, low=0.01, high=0.1, origins=65)
    assert all("random walks" in said for said in reasons(decided(cells, bands=bands, null=found)).values())
    assert decided(cells, bands=bands, null=replace(found, t=-9.0))["a"].passed  # worse than naive on walks is as it should be


def test_luck_is_not_significance():
    random = np.random.default_rng(5)
    cells = made_cells({"a": 0.0, "b": 0.0, "c": 0.0})
    lucky = cells.with_forecasts(model=cells.naive * np.exp(0.01 * random.standard_normal(len(cells))))
    assert all("not significantly better" in said for said in reasons(decided(lucky)).values())


def test_intervals_must_cover(cells):
    bands = {model: replay(cells, model)[0] for model in cells.models}  # spoilt below
    narrow, wide = cells.good == 0, cells.good == 1
    for side, away in ((bands["model"].lower[0.8], 0.5), (bands["model"].upper[0.8], 2.0)):
        side[narrow] = cells.forecasts["model"][narrow]
        side[wide] *= away
    found = decide(cells, "model", bands, CLASSES, GOOD)
    assert "covered 0.0%" in reasons(found)["a"] and "covered 100.0%" in reasons(found)["b"] and found["c"].passed


def test_quantiles_must_be_better_too(cells, bands):
    assert all("quantile loss" in said for said in reasons(decided(cells, bands=bands, bar=Bar(wql=0.5, own_wql=0.5))).values())


def test_quantiles_worse_than_naives_refuse_a_commodity_even_when_the_others_gain(cells):
    bands = {model: replay(cells, model)[0] for model in cells.models}
    here = cells.good == 2
    middle = cells.forecasts["model"][here, None]
    bands["model"].quantiles[here] = middle * (bands["model"].quantiles[here] / middle) ** 2
    found = decide(cells, "model", bands, CLASSES, GOOD)  # 0.886 of naive's over all, 1.012 of it here
    assert found["a"].passed and "quantile loss" in reasons(found)["c"]


def test_the_highest_lower_bound_serves(cells):
    better = cells.with_forecasts(better=cells.naive + 0.3 * (cells.actual - cells.naive))
    judgement = judge_of(better, {"model": GOOD, "better": GOOD})
    assert {one.model for one in judgement.champions.values()} == {"better"}
    assert np.array_equal(served(better, judgement.champions), better.forecasts["better"])
    rows = table(judgement.decisions.values())
    assert len(rows) == 6 and all(row["passed"] for row in rows) and {"skill", "coverage_80", "p_holm"} <= set(rows[0])
    assert judgement.says("a").startswith("better: skill +30.0%")
    assert set(judge_of(better, {"model": GOOD}).champions) == {"a", "b", "c"}
    assert {one.model for one in judge_of(better, {"model": GOOD}).champions.values()} == {"model"}  # unchecked does not serve


def judge_of(cells, checks):
    return judge(walks(1, goods=("a", "b", "c"), days=500), cells, checks)


def test_each_commodity_is_served_by_its_champion(cells):
    judgement = judge_of(made_cells({"a": 0.25, "b": -0.05, "c": 0.2}), {"model": GOOD})
    mixed, given = judgement.cells, served(judgement.cells, judgement.champions)
    for good, model in (("a", "model"), ("b", "naive"), ("c", "model")):
        here = mixed.good == mixed.goods.index(good)
        assert np.array_equal(given[here], mixed.forecasts[model][here])


def test_the_holdout_is_judged_alone_with_intervals_that_know_what_came_before(cells):
    cut = 400 + 8 * 52
    found = on_holdout(cells.where(cells.origin < cut), cells.where(cells.origin >= cut))
    assert found["model"]["a"].origins == 13 and found["model"][""].cells == (cells.origin >= cut).sum()
    assert found["model"]["a"].skill == pytest.approx(0.2) and 0.6 < found["naive"]["a"].coverage_80 < 0.95


def test_no_cells_no_champion():
    judgement = judge_of(made_cells({"a": 0.2}).where(np.zeros(0, dtype=int)), {"model": GOOD})
    assert judgement.champions == {"a": None} and judgement.says("a") == "naive: no model was judged"
    refused = judge_of(made_cells({"a": 0.2, "b": 0.1}), {})
    assert refused.says("b").startswith("naive: no model is better; the best was model: skill +10.0%")
    assert "truncation" in refused.says("b")
