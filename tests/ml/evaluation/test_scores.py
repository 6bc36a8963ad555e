"""Rows of gold.model_accuracy equal a recomputation with pandas."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from ml.evaluation.conformal import calibrate
from ml.evaluation.scores import accuracy_rows, scores_by_commodity
from tests.support.predictions import simulated_predictions

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def scored():
    predictions = simulated_predictions({"a": 0.2, "b": -0.1}, regions=3, origins=30)
    intervals = {model: calibrate(predictions, model)[0] for model in predictions.models}
    rows = accuracy_rows(predictions, intervals, {"10": "Sini", "11": "Sana"}, {"a": "model"}, "run", NOW)
    return predictions, intervals, rows


def test_accuracy_rows_equal_a_recomputation_with_pandas(scored):
    predictions, intervals, rows = scored
    frame = pd.DataFrame(
        {
            "commodity": np.array(predictions.commodities)[predictions.series],
            "region_code": np.array(predictions.regions)[predictions.series],
            "horizon_days": predictions.horizon,
            "origin": predictions.origin,
            "y": predictions.actual,
            "naive": predictions.naive,
            "step": predictions.step,
        }
    )
    for model in predictions.models:
        frame["e"] = (frame.y - predictions.forecasts[model]).abs()
        frame["covered"] = np.where(
            intervals[model].calibrated,
            (intervals[model].lower[0.8] <= frame.y) & (frame.y <= intervals[model].upper[0.8]),
            np.nan,
        )
        expected = {}
        for region, groups in (
            (None, ["commodity", "horizon_days"]),
            ("", ["commodity", "region_code", "horizon_days"]),
        ):
            for key, part in frame.groupby(groups):
                code = key[1] if region == "" else "ID"
                expected[key[0], code, key[-1]] = (
                    100 * part.e.sum() / part.y.sum(),
                    100 * (part.e / part.y).mean(),
                    (part.e**2).mean() ** 0.5,
                    (part.e / part.step).mean(),
                    1 - part.e.sum() / (part.y - part.naive).abs().sum(),
                    part.covered.mean(),
                    part.origin.nunique(),
                    len(part),
                )
        names = (
            "wape_pct",
            "mape_pct",
            "rmse_idr",
            "mase",
            "skill_vs_naive",
            "coverage_80",
            "origins",
            "cells",
        )
        scores = {
            (row["commodity"], row["region_code"], row["horizon_days"]): tuple(row[name] for name in names)
            for row in rows
            if row["model"] == model
        }
        assert scores.keys() == expected.keys() and len(scores) == 2 * 4 * 3
        assert all(scores[key] == pytest.approx(expected[key]) for key in expected)


def test_rows_name_regions_champions_and_dates(scored):
    predictions, _, rows = scored
    by_key = {(row["model"], row["commodity"], row["region_code"], row["horizon_days"]): row for row in rows}
    assert len(by_key) == len(rows)
    assert (
        by_key["model", "a", "10", 7]["region"] == "Sini" and by_key["model", "a", "12", 7]["region"] == "12"
    )
    assert (
        by_key["model", "a", "ID", 7]["region"] == "Indonesia"
        and by_key["model", "a", "ID", 7]["p_value"] < 0.01
    )
    assert by_key["model", "a", "10", 7]["p_value"] is None
    assert by_key["model", "a", "10", 7]["skill_low"] is None
    nation = by_key["model", "a", "ID", 7]
    assert nation["skill_low"] < nation["skill_vs_naive"] < nation["skill_high"]
    assert (
        by_key["model", "a", "ID", 1]["alias"] == "champion"
        and by_key["naive", "a", "ID", 1]["alias"] is None
    )
    assert (
        by_key["naive", "b", "ID", 1]["alias"] == "champion"
        and by_key["model", "b", "ID", 1]["alias"] is None
    )
    row = by_key["naive", "b", "11", 3]
    assert (
        row["from_date"] == predictions.days[400 + 3].item()
        and row["to_date"] == predictions.days[400 + 8 * 29 + 3].item()
    )


def test_scores_by_commodity_hold_each_and_all_together(scored):
    predictions, intervals, _ = scored
    scores = scores_by_commodity(predictions, "model", intervals["model"], horizons=(7,))
    assert set(scores) == {"", "a", "b"} and scores[""].cells == sum(
        scores[commodity].cells for commodity in "ab"
    )
    assert scores["a"].skill == pytest.approx(0.2) and scores["a"].series_skill == pytest.approx(0.2)
    assert (
        scores["a"].direction == 1
        and scores["a"].win_rate == 1
        and scores_by_commodity(predictions, "naive", intervals["naive"])[""].direction == 0
    )
