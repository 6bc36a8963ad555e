"""The table of scores, the plots, the reliability of confidences and the progress bar."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from ml.evaluation.conformal import calibrate
from ml.evaluation.gate import assess, decide
from ml.evaluation.leakage_checks import ModelChecks
from ml.evaluation.plots import _skill_by_commodity, reliability, save_plots
from ml.evaluation.report import progress_bar, scores_table
from ml.evaluation.scores import scores_by_commodity
from tests.support.panels import walks
from tests.support.predictions import simulated_predictions

PASSED = ModelChecks(truncation=True, rerun=True, unchanged=True, leakage=True)


@pytest.fixture(scope="module")
def assessment():
    predictions = simulated_predictions({"a": 0.2, "b": -0.1}, regions=8)
    return assess(walks(1, commodities=("a", "b")), predictions, {"model": PASSED})


def test_table_shows_wins_and_losses(assessment):
    predictions, intervals = assessment.predictions, assessment.intervals
    console = Console(record=True, width=200, force_terminal=True)
    scores = {
        model: scores_by_commodity(predictions, model, intervals[model]) for model in predictions.models
    }
    console.print(scores_table(scores, "a backtest", {"a": "model", "b": "naive"}))
    text = console.export_text()
    rows = [line for line in text.splitlines() if "│" in line]
    assert "+20.00" in text and "-10.00" in text and sum("all together" in row for row in rows) == 2
    assert "model ◄" in next(row for row in rows if " a " in row and "model" in row)
    assert "naive ◄" in next(row for row in rows if " b " in row and "naive" in row)


def test_series_that_never_move_have_no_figure_that_does_not_exist(assessment, recwarn):
    predictions = assessment.predictions
    constant = np.full(len(predictions), 10_000.0)
    still = replace(
        predictions,
        actual=constant,
        forecasts={"naive": constant, "model": constant + 7.0},
    )
    intervals = {model: calibrate(still, model)[0] for model in still.models}
    scores = {model: scores_by_commodity(still, model, intervals[model]) for model in still.models}
    console = Console(record=True, width=200)
    console.print(scores_table(scores, "a backtest"))
    decisions = decide(still, "model", intervals, {"a": "stable", "b": "stable"}, PASSED)
    shown = console.export_text() + " ".join(decision.summary for decision in decisions.values())
    assert not re.search(r"\b(nan|inf)\b|\d{7,}|e\+", shown) and "–" in shown
    assert not [str(each.message) for each in recwarn if each.category is RuntimeWarning]


def test_plots_are_the_same_bytes_in_every_run(assessment, tmp_path):
    files = save_plots(assessment, tmp_path / "first")
    again = save_plots(assessment, tmp_path / "second")
    assert len(files) == 6 and all(file.stat().st_size > 5_000 for file in files)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_confidence_matches_the_observed_share_on_walks(assessment):
    stated, observed = reliability(assessment.predictions, "naive", assessment.intervals["naive"], bins=4)
    assert np.abs(stated - observed).max() < 0.06 and stated[0] < stated[-1]


def test_progress_bar_shows_done_and_total(capsys):
    with progress_bar(Console(force_terminal=True), "backtest") as report:
        report(3, 12, "naive")
        report(12, 12, "ses")
    assert "12/12" in capsys.readouterr().out


def test_plots_have_a_place_for_commodities_without_a_prediction(assessment, tmp_path):
    """A commodity that was first reported after the last origin has none; it ended the whole round."""
    predictions = assessment.predictions
    wider = replace(
        predictions,
        commodities=(*predictions.commodities, "young"),
        regions=(*predictions.regions, predictions.regions[0]),
    )
    assert len(save_plots(replace(assessment, predictions=wider), tmp_path)) == 6
    axes = Figure().subplots()
    _skill_by_commodity(axes, wider, wider.models)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "young"]
