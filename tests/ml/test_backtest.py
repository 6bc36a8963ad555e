"""Origins, identical cells, resuming, parallel blocks, and the holdout that opens on record."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml import backtest
from ml.panel import Panel
from ml.trials import openings, variants
from tests.ml.made_panels import degenerate, gappy, walks, weekdays


class Last:
    """Carries the last price on; `spoilt` answers nonsense for the first series."""

    name = "last"

    def __init__(self, spoilt: bool = False, log=None) -> None:
        self.spoilt, self.log = spoilt, log

    def fit(self, panel: Panel) -> None:
        self.fitted = panel.price.shape[1]
        if self.log:
            with Path(self.log).open("a", encoding="utf-8") as out:
                out.write(f"{self.fitted}\n")

    def forecast(self, panel: Panel, horizons=backtest.HORIZONS):
        assert panel.price.shape[1] >= self.fitted
        answer = np.repeat(panel.filled[:, -1:], len(horizons), axis=1)
        if self.spoilt:
            answer[0] = [np.nan, -1.0, 0.0, np.inf, np.nan, np.nan, np.nan]
        return answer


class Crooked(Last):
    name = "crooked"

    def forecast(self, panel, horizons=backtest.HORIZONS):
        return np.ones((3, 3))


def planned(panel, **how):
    return backtest.plan(panel, **{"first_days": 200, "origins": 24, "holdout": 6, **how})


def test_origins_take_weekdays_in_turn_and_stay_where_they_are_when_a_day_is_added():
    panel = walks(1, days=900)
    plan = backtest.plan(panel)
    assert len(plan.origins) == 64 and plan.holdout == 10  # too few for 13: a sixth is kept back
    turns = weekdays(panel.days[list(plan.origins)])
    assert set(turns) == set(range(5)) and set(np.diff(turns)) == {1, -4} and set(np.diff(plan.origins)) == {8, 10}
    assert all(len(block) == 4 for block in plan.blocks()[1:-1]) and {len(block) for block in plan.blocks(8)[1:-1]} == {8}
    less = backtest.plan(panel.until(898))
    assert {*less.origins} <= {*plan.origins} and less.blocks()[1:-1] == plan.blocks()[1 : len(less.blocks()) - 1]
    assert min(plan.origins) >= 364 and max(plan.origins) + 7 <= 899


def test_holdout_is_the_end_and_the_parts_make_the_whole():
    plan = planned(walks(1))
    before, after = plan.part(opened=False), plan.part(opened=True)
    assert before.origins + after.origins == plan.origins and len(after.origins) == 6 == plan.holdout


def test_too_short_a_history_has_no_origins_and_no_cells(tmp_path):
    panel = walks(1, days=100)
    plan = backtest.plan(panel)
    assert plan.origins == () and len(backtest.run(panel, {"last": Last}, plan, tmp_path)) == 0


def test_cells_are_the_observed_weekdays_after_a_first_price(tmp_path):
    panel = gappy(walks(3), seed=4, share=0.2)
    plan = planned(panel, horizons=(1, 3, 7))
    cells = backtest.run(panel, {"last": Last}, plan, tmp_path)
    expected = {
        (series, origin, horizon): panel.price[series, origin + horizon]
        for origin in plan.origins
        for horizon in (1, 3, 7)
        for series in range(12)
        if weekdays(panel.days)[origin + horizon] < 5
        and np.isfinite(panel.price[series, origin + horizon])
        and np.isfinite(panel.price[series, : origin + 1]).any()
    }
    found = dict(zip(zip(cells.series, cells.origin, cells.horizon, strict=True), cells.actual, strict=True))
    assert found == expected and len(cells) == len(expected)
    assert np.array_equal(cells.forecasts["last"], cells.naive) and cells.replaced == {"last": 0}


def test_what_is_not_a_price_becomes_naive_and_is_counted(tmp_path):
    panel = walks(5)
    plan = planned(panel)
    cells = backtest.run(panel, {"spoilt": partial(Last, spoilt=True)}, plan, tmp_path)
    assert np.array_equal(cells.forecasts["spoilt"], cells.naive)
    assert cells.replaced["spoilt"] == (cells.series == 0).sum() > 0


def test_a_wrong_shape_is_an_error_that_names_the_model(tmp_path):
    with pytest.raises(ValueError, match="crooked"):
        backtest.run(walks(5), {"crooked": Crooked}, planned(walks(5)), tmp_path)


def test_an_interrupted_run_resumes_and_new_days_recompute_nothing_old(tmp_path):
    panel, log = walks(6), tmp_path / "fits"
    models = {"last": partial(Last, log=str(log))}

    def interrupt(done, total, what):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backtest.run(panel, models, planned(panel), tmp_path, progress=interrupt)
    assert len(log.read_text().split()) == 2
    seen = []
    backtest.run(panel, models, planned(panel), tmp_path, progress=lambda done, total, what: seen.append((done, total)))
    blocks = len(planned(panel).blocks())
    assert seen[0] == (2, blocks) and seen[-1] == (blocks, blocks) and len(log.read_text().split()) == blocks
    changed = panel.price.copy()
    changed[:, -1] *= 3  # later than every origin
    backtest.run(replace(panel, price=changed), models, planned(panel), tmp_path)
    assert len(log.read_text().split()) == blocks
    within = planned(panel).blocks()[1][1]  # after the fit of its block: only that block and the later ones have seen it
    inside = panel.price.copy()
    inside[:, within] *= 3
    backtest.run(replace(panel, price=inside), models, planned(panel), tmp_path)
    assert len(log.read_text().split()) == 2 * blocks - 1
    changed[:, 10] *= 3
    backtest.run(replace(panel, price=changed), models, planned(panel), tmp_path)
    assert len(log.read_text().split()) == 3 * blocks - 1
    backtest.run(panel, models, planned(panel), tmp_path, config={"other": 1})
    assert len(log.read_text().split()) == 4 * blocks - 1


def test_processes_answer_as_one_does(tmp_path):
    panel = walks(7)
    models = {"last": Last, "spoilt": partial(Last, spoilt=True)}
    alone = backtest.run(panel, models, planned(panel), tmp_path / "alone")
    together = backtest.run(panel, models, planned(panel), tmp_path / "together", workers=2)
    assert all(np.array_equal(alone.forecasts[model], together.forecasts[model]) for model in models)


def test_opening_the_holdout_goes_on_record(tmp_path):
    panel = walks(8)
    plan = planned(panel)
    cells = backtest.open_holdout(panel, {"last": Last}, plan, tmp_path, reason="a release")
    assert set(cells.origin) <= set(plan.origins[-6:])
    (opening,) = openings(tmp_path)
    assert opening["reason"] == "a release" and len(opening["origins"]) == 6 and opening["models"] == ["last"]
    before = backtest.run(panel, {"last": Last}, plan.part(opened=False), tmp_path)
    whole = backtest.run(panel, {"last": Last}, plan, tmp_path)
    joined = before.then(cells)
    assert np.array_equal(joined.actual, whole.actual) and np.array_equal(joined.forecasts["last"], whole.forecasts["last"])
    with pytest.raises(ValueError, match="later"):
        cells.then(before)


def test_variants_are_counted(tmp_path):
    panel = walks(9)
    for models in ({"last": Last}, {"last": Last}, {"last": partial(Last, spoilt=True), "other": Last}):
        backtest.run(panel, models, planned(panel), tmp_path)
    assert variants(tmp_path) == {"last": 2, "other": 1}


def test_naive_is_the_measure_and_cannot_be_replaced(tmp_path):
    panel = walks(10)
    cells = backtest.run(panel, {"naive": partial(Last, spoilt=True)}, planned(panel), tmp_path)
    assert cells.models == ("naive",) and np.array_equal(cells.naive, panel.filled[cells.series, cells.origin])


def test_answers_long_unused_are_forgotten(tmp_path):
    panel, old = walks(11), tmp_path / "last-old.npz"
    old.touch()
    os.utime(old, (0, 0))
    backtest.run(panel, {"last": Last}, planned(panel), tmp_path)
    assert not old.exists() and len(list(tmp_path.glob("*.npz"))) == len(planned(panel).blocks())


def test_series_that_are_not_quite_one_do_no_harm(tmp_path):
    panel = degenerate(days=500)
    cells = backtest.run(panel, {"last": Last}, planned(panel), tmp_path)
    assert np.isfinite(cells.naive).all() and np.isfinite(cells.step).all() and (cells.step > 0).all()
    assert {panel.commodities[row] for row in cells.series} == {"last", "late", "constant", "jumps", "tiny"} - {"last", "late"}
