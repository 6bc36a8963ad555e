"""Rows of accuracy against a recomputation with pandas."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from ml.figures import accuracy_rows, by_commodity
from ml.intervals import replay
from tests.ml.made_cells import made_cells

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def judged():
    cells = made_cells({"a": 0.2, "b": -0.1}, regions=3, origins=30)
    bands = {model: replay(cells, model)[0] for model in cells.models}
    rows = accuracy_rows(cells, bands, {"10": "Sini", "11": "Sana"}, {"a": "model"}, "run", NOW)
    return cells, bands, rows


def test_rows_are_what_pandas_finds(judged):
    cells, bands, rows = judged
    frame = pd.DataFrame(
        {
            "commodity": np.array(cells.commodities)[cells.series],
            "region_code": np.array(cells.regions)[cells.series],
            "horizon_days": cells.horizon,
            "origin": cells.origin,
            "y": cells.actual,
            "naive": cells.naive,
            "step": cells.step,
        }
    )
    for model in cells.models:
        frame["e"] = (frame.y - cells.forecasts[model]).abs()
        frame["covered"] = np.where(
            bands[model].calibrated, (bands[model].lower[0.8] <= frame.y) & (frame.y <= bands[model].upper[0.8]), np.nan
        )
        expected = {}
        for region, groups in ((None, ["commodity", "horizon_days"]), ("", ["commodity", "region_code", "horizon_days"])):
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
        names = ("wape_pct", "mape_pct", "rmse_idr", "mase", "skill_vs_naive", "coverage_80", "origins", "cells")
        found = {
            (row["commodity"], row["region_code"], row["horizon_days"]): tuple(row[name] for name in names)
            for row in rows
            if row["model"] == model
        }
        assert found.keys() == expected.keys() and len(found) == 2 * 4 * 3
        assert all(found[key] == pytest.approx(expected[key]) for key in expected)


def test_rows_name_regions_champions_and_dates(judged):
    cells, _, rows = judged
    by_key = {(row["model"], row["commodity"], row["region_code"], row["horizon_days"]): row for row in rows}
    assert len(by_key) == len(rows)
    assert by_key["model", "a", "10", 7]["region"] == "Sini" and by_key["model", "a", "12", 7]["region"] == "12"
    assert by_key["model", "a", "ID", 7]["region"] == "Indonesia" and by_key["model", "a", "ID", 7]["p_value"] < 0.01
    assert by_key["model", "a", "10", 7]["p_value"] is None
    assert by_key["model", "a", "ID", 1]["alias"] == "champion" and by_key["naive", "a", "ID", 1]["alias"] is None
    assert by_key["naive", "b", "ID", 1]["alias"] == "champion" and by_key["model", "b", "ID", 1]["alias"] is None
    row = by_key["naive", "b", "11", 3]
    assert row["from_date"] == cells.days[400 + 3].item() and row["to_date"] == cells.days[400 + 8 * 29 + 3].item()


def test_by_commodity_holds_all_of_them_together(judged):
    cells, bands, _ = judged
    found = by_commodity(cells, "model", bands["model"], horizons=(7,))
    assert set(found) == {"", "a", "b"} and found[""].cells == sum(found[good].cells for good in "ab")
    assert found["a"].skill == pytest.approx(0.2) and found["a"].series_skill == pytest.approx(0.2)
    assert (
        found["a"].direction == 1 and found["a"].win_rate == 1 and by_commodity(cells, "naive", bands["naive"])[""].direction == 0
    )
