"""Coverage per half-year: counted by hand, by the day of the origin."""

from dataclasses import replace

import numpy as np
from rich.console import Console

from ml.evaluation.conformal import calibrate
from ml.evaluation.report import half_years_table
from ml.evaluation.scores import coverage_by_half_year, half_year_numbers
from tests.support.predictions import simulated_predictions


def test_half_years_begin_in_january_and_july():
    days = np.array(["1970-01-01", "2024-06-30", "2024-07-01", "2025-01-01"], "datetime64[D]")
    assert half_year_numbers(days).tolist() == [0, 108, 109, 110]


def test_coverage_is_counted_per_half_year_of_the_origin():
    predictions = simulated_predictions({"a": 0.0, "b": 0.0}, seed=4, origins=60)
    intervals, _ = calibrate(predictions, "naive")
    late = np.flatnonzero(predictions.days >= np.datetime64("2024-01-01"))[0]
    b = predictions.commodity_index == 1
    everything = {0.8: np.full(len(predictions), 1e9), 0.95: np.full(len(predictions), 1e9)}
    nothing = {0.8: np.where(b & (predictions.origin >= late), 1e8, 0.0), 0.95: np.zeros(len(predictions))}
    coverage = coverage_by_half_year(predictions, replace(intervals, lower=nothing, upper=everything))
    assert [entry.half_year for entry in coverage] == ["2023-H1", "2023-H2", "2024-H1"]
    assert [entry.coverage for entry in coverage] == [1.0, 1.0, 0.5]
    assert (coverage[-1].worst_commodity, coverage[-1].worst_coverage) == ("b", 0.0)
    held = intervals.calibrated
    assert sum(entry.cells for entry in coverage) == held.sum()
    assert sum(entry.origins for entry in coverage) == len(np.unique(predictions.origin[held]))
    week = coverage_by_half_year(predictions, intervals, (7,))
    assert sum(entry.cells for entry in week) == (held & (predictions.horizon == 7)).sum()


def test_table_names_the_commodity_furthest_from_the_level():
    predictions = simulated_predictions({"a": 0.0, "b": 0.1}, seed=5)
    coverage = {
        name: coverage_by_half_year(predictions, calibrate(predictions, name)[0])
        for name in predictions.models
    }
    console = Console(record=True, width=170, force_terminal=True)
    console.print(half_years_table(coverage, "coverage"))
    rows = [line for line in console.export_text().splitlines() if "-H" in line]
    assert len(rows) == sum(map(len, coverage.values()))
    first = coverage["model"][0]
    row = next(line for line in rows if first.half_year in line and "model" in line)
    assert first.worst_commodity in row and f"{100 * first.worst_coverage:.1f}" in row
