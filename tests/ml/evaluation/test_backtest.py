"""Origins, cells, resumed and parallel runs of a backtest, and the log of opened holdouts."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml.data.panel import Panel
from ml.evaluation import backtest
from ml.evaluation.backtest import openings, variants
from tests.support.panels import degenerate, gappy, walks, weekdays


class Last:
    """Forecasts the last price; with `spoilt`, invalid values for the first series."""

    name = "last"

    def __init__(self, spoilt: bool = False, log=None) -> None:
        self.spoilt, self.log = spoilt, log

    def fit(self, panel: Panel) -> None:
        self.fitted = panel.price.shape[1]
        if self.log:
            with Path(self.log).open("a", encoding="utf-8") as out:
                out.write(f"{self.fitted}\n")

    def predict(self, panel: Panel, horizons=backtest.HORIZONS):
        assert panel.price.shape[1] >= self.fitted
        answer = np.repeat(panel.filled[:, -1:], len(horizons), axis=1)
        if self.spoilt:
            answer[0] = [np.nan, -1.0, 0.0, np.inf, np.nan, np.nan, np.nan]
        return answer


class WrongShape(Last):
    name = "wrong_shape"

    def predict(self, panel, horizons=backtest.HORIZONS):
        return np.ones((3, 3))


def small_plan(panel, **options):
    return backtest.plan(panel, **{"first_days": 200, "origins": 24, "holdout": 6, **options})


def test_origins_take_weekdays_in_turn_and_stay_when_days_are_added():
    panel = walks(1, days=900)
    plan = backtest.plan(panel)
    assert len(plan.origins) == 64 and plan.holdout == 10  # too few for 13: a sixth is kept back
    origin_weekdays = weekdays(panel.days[list(plan.origins)])
    assert (
        set(origin_weekdays) == set(range(5))
        and set(np.diff(origin_weekdays)) == {1, -4}
        and set(np.diff(plan.origins)) == {8, 10}
    )
    assert all(len(block) == 4 for block in plan.blocks()[1:-1]) and {
        len(block) for block in plan.blocks(8)[1:-1]
    } == {8}
    shorter = backtest.plan(panel.until(898))
    assert {*shorter.origins} <= {*plan.origins} and shorter.blocks()[1:-1] == plan.blocks()[
        1 : len(shorter.blocks()) - 1
    ]
    assert min(plan.origins) >= 364 and max(plan.origins) + 7 <= 899


def test_holdout_is_the_last_origins_and_both_parts_are_all_origins():
    plan = small_plan(walks(1))
    before, after = plan.part(opened=False), plan.part(opened=True)
    assert before.origins + after.origins == plan.origins and len(after.origins) == 6 == plan.holdout


def test_too_short_a_history_has_no_origins_and_no_cells(tmp_path):
    panel = walks(1, days=100)
    plan = backtest.plan(panel)
    assert plan.origins == () and len(backtest.run(panel, {"last": Last}, plan, tmp_path)) == 0


def test_cells_are_the_observed_weekdays_after_a_first_price(tmp_path):
    panel = gappy(walks(3), seed=4, share=0.2)
    plan = small_plan(panel, horizons=(1, 3, 7))
    predictions = backtest.run(panel, {"last": Last}, plan, tmp_path)
    expected = {
        (series, origin, horizon): panel.price[series, origin + horizon]
        for origin in plan.origins
        for horizon in (1, 3, 7)
        for series in range(12)
        if weekdays(panel.days)[origin + horizon] < 5
        and np.isfinite(panel.price[series, origin + horizon])
        and np.isfinite(panel.price[series, : origin + 1]).any()
    }
    cells = dict(
        zip(
            zip(predictions.series, predictions.origin, predictions.horizon, strict=True),
            predictions.actual,
            strict=True,
        )
    )
    assert cells == expected and len(predictions) == len(expected)
    assert np.array_equal(predictions.forecasts["last"], predictions.naive) and predictions.replaced == {
        "last": 0
    }


def test_invalid_forecast_is_replaced_by_naive_and_counted(tmp_path):
    panel = walks(5)
    plan = small_plan(panel)
    predictions = backtest.run(panel, {"spoilt": partial(Last, spoilt=True)}, plan, tmp_path)
    assert np.array_equal(predictions.forecasts["spoilt"], predictions.naive)
    assert predictions.replaced["spoilt"] == (predictions.series == 0).sum() > 0


def test_forecast_of_wrong_shape_raises_an_error_that_names_the_model(tmp_path):
    with pytest.raises(ValueError, match="wrong_shape"):
        backtest.run(walks(5), {"wrong_shape": WrongShape}, small_plan(walks(5)), tmp_path)


def test_interrupted_run_resumes_and_later_days_recompute_no_block(tmp_path):
    panel, log = walks(6), tmp_path / "fits"
    models = {"last": partial(Last, log=str(log))}

    def interrupt(done, total, label):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backtest.run(panel, models, small_plan(panel), tmp_path, progress=interrupt)
    assert len(log.read_text().split()) == 2
    progress = []
    backtest.run(
        panel,
        models,
        small_plan(panel),
        tmp_path,
        progress=lambda done, total, label: progress.append((done, total)),
    )
    blocks = len(small_plan(panel).blocks())
    assert (
        progress[0] == (2, blocks)
        and progress[-1] == (blocks, blocks)
        and len(log.read_text().split()) == blocks
    )
    changed = panel.price.copy()
    changed[:, -1] *= 3  # later than every origin
    backtest.run(replace(panel, price=changed), models, small_plan(panel), tmp_path)
    assert len(log.read_text().split()) == blocks
    within = small_plan(panel).blocks()[1][
        1
    ]  # after the fit of its block: only that block and later ones read it
    inside = panel.price.copy()
    inside[:, within] *= 3
    backtest.run(replace(panel, price=inside), models, small_plan(panel), tmp_path)
    assert len(log.read_text().split()) == 2 * blocks - 1
    changed[:, 10] *= 3
    backtest.run(replace(panel, price=changed), models, small_plan(panel), tmp_path)
    assert len(log.read_text().split()) == 3 * blocks - 1


def test_processes_give_the_forecasts_of_a_single_one(tmp_path):
    panel = walks(7)
    models = {"last": Last, "spoilt": partial(Last, spoilt=True)}
    serial = backtest.run(panel, models, small_plan(panel), tmp_path / "serial")
    parallel = backtest.run(panel, models, small_plan(panel), tmp_path / "parallel", workers=2)
    assert all(np.array_equal(serial.forecasts[model], parallel.forecasts[model]) for model in models)


def test_opened_holdout_is_logged(tmp_path):
    panel = walks(8)
    plan = small_plan(panel)
    holdout = backtest.open_holdout(panel, ["last"], plan, tmp_path, reason="a release")
    predictions = backtest.run(panel, {"last": Last}, holdout, tmp_path)
    assert set(predictions.origin) <= set(plan.origins[-6:])
    (opening,) = openings(tmp_path)
    assert opening["reason"] == "a release" and len(opening["origins"]) == 6 and opening["models"] == ["last"]
    before = backtest.run(panel, {"last": Last}, plan.part(opened=False), tmp_path)
    whole = backtest.run(panel, {"last": Last}, plan, tmp_path)
    joined = before.concatenate(predictions, before.models)
    assert np.array_equal(joined.actual, whole.actual) and np.array_equal(
        joined.forecasts["last"], whole.forecasts["last"]
    )


def test_variants_of_each_model_are_counted(tmp_path):
    panel = walks(9)
    for models in ({"last": Last}, {"last": Last}, {"last": partial(Last, spoilt=True), "other": Last}):
        backtest.run(panel, models, small_plan(panel), tmp_path)
    assert variants(tmp_path) == {"last": 2, "other": 1}


def test_model_named_naive_does_not_replace_the_baseline(tmp_path):
    panel = walks(10)
    predictions = backtest.run(panel, {"naive": partial(Last, spoilt=True)}, small_plan(panel), tmp_path)
    assert predictions.models == ("naive",) and np.array_equal(
        predictions.naive, panel.filled[predictions.series, predictions.origin]
    )


def test_cached_forecasts_long_unused_are_deleted(tmp_path):
    panel, old = walks(11), tmp_path / "last-old.npz"
    old.touch()
    os.utime(old, (0, 0))
    backtest.run(panel, {"last": Last}, small_plan(panel), tmp_path)
    assert not old.exists() and len(list(tmp_path.glob("*.npz"))) == len(small_plan(panel).blocks())


def test_degenerate_series_leave_all_figures_finite(tmp_path):
    panel = degenerate(days=500)
    predictions = backtest.run(panel, {"last": Last}, small_plan(panel), tmp_path)
    assert (
        np.isfinite(predictions.naive).all()
        and np.isfinite(predictions.step).all()
        and (predictions.step > 0).all()
    )
    assert {panel.commodities[row] for row in predictions.series} == {
        "last",
        "late",
        "constant",
        "jumps",
        "tiny",
    } - {"last", "late"}
