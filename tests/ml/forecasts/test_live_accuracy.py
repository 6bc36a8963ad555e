"""gold.model_accuracy of issued forecasts equals its recomputation in plain Python; drift is detected."""

import math
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import append_once, table_exists, table_uri
from ml.data.panel import Panel
from ml.forecasts import live_accuracy
from ml.forecasts.fitted_model import FittedModel
from ml.forecasts.live_accuracy import DriftCheck, psi, record_check
from ml.forecasts.rows import ServedModels, forecast_rows
from ml.models.naive import Drift, Naive
from tests.support.panels import walks

Row = dict[str, Any]
TABLE = "gold.model_accuracy"


pytestmark = pytest.mark.usefixtures("home")


def issue_from(panel: Panel, origins: list[int], twice: int) -> list[Row]:
    """Issues from each origin; from `twice` there is an earlier one that the second one replaces."""
    rows = []
    served = ServedModels([FittedModel(Naive()), FittedModel(Drift())], {"teh": "drift"})
    for number, origin in enumerate([twice, *origins]):
        known = panel.until(origin)
        if number == 0:
            known = replace(known, price=3 * known.price)
        issued = forecast_rows(known, served, range(1, 8), issued_at(known, number))
        append_once("gold.forecasts", issued, f"issue {number}")
        if number:
            rows += issued.to_pylist()
    return rows


def issued_at(known: Panel, number: int) -> datetime:
    """At the cut of the panel's last day."""
    return datetime.combine(known.days[-1].item(), time(7, number), tzinfo=UTC)


def test_forecast_that_was_made_after_its_target_does_not_count():
    """In a replay the origin lies years before the issue; only days whose cut is still to come count."""
    panel = walks(5, 120)
    late = panel.days[90].item() + timedelta(days=4)
    for at, counts in (
        (datetime(2026, 6, 1, tzinfo=UTC), False),
        (datetime.combine(late, time(7), UTC), True),
    ):
        append_once(
            "gold.forecasts",
            forecast_rows(panel.until(90), ServedModels([FittedModel(Naive())]), range(1, 8), at),
            f"issue {at}",
        )
        live_accuracy.measure(panel)
        assert table_exists(TABLE) == counts
        if counts:
            rows = DeltaTable(table_uri(TABLE)).to_pyarrow_table().to_pylist()
            assert min(row["from_date"] for row in rows) > late and {row["kind"] for row in rows} == {
                "issued"
            }


def recomputed(panel: Panel, forecasts: list[Row]) -> dict[tuple, Row]:
    """The table by key, cell by cell."""
    actual = {}
    step = {}
    for nth, (commodity, region) in enumerate(zip(panel.commodities, panel.regions, strict=True)):
        series = panel.price[nth]
        for day in range(len(series)):
            if math.isfinite(series[day]):
                actual[commodity, region, panel.days[day].item()] = series[day]
        for origin in {row["origin_date"] for row in forecasts}:
            known = series[: (origin - panel.days[0].item()).days + 1]
            moves = [
                abs(b - a)
                for a, b in zip(known, known[1:], strict=False)
                if math.isfinite(a) and math.isfinite(b)
            ]
            step[commodity, region, origin] = max(
                fmean(moves), 0.001 * fmean(p for p in known if math.isfinite(p))
            )
    naive = {_cell_of(row): row["price_idr"] for row in forecasts if row["model"] == "naive"}
    groups: dict[tuple, list[Row]] = defaultdict(list)
    for row in forecasts:
        price = actual.get((row["commodity"], row["region_code"], row["target_date"]))
        if price is None or row["target_date"].weekday() > 4 or row["region_code"] == "ID":
            continue
        cell = row | {"actual": price, "naive": naive[_cell_of(row)], "step": step[_cell_of(row)[:3]]}
        for region in (row["region_code"], "ID"):
            groups[row["model"], row["commodity"], region, row["horizon_days"], "issued"].append(cell)
    return {key: _figures(cells) for key, cells in groups.items()}


def _cell_of(row: Row) -> tuple:
    return row["commodity"], row["region_code"], row["origin_date"], row["horizon_days"]


def _figures(cells: list[Row]) -> Row:
    error = [abs(c["actual"] - c["price_idr"]) for c in cells]
    other = [abs(c["actual"] - c["naive"]) for c in cells]
    low = [
        max(0.1 * (c["actual"] - c["lower_80_idr"]), -0.9 * (c["actual"] - c["lower_80_idr"])) for c in cells
    ]
    high = [
        max(0.9 * (c["actual"] - c["upper_80_idr"]), -0.1 * (c["actual"] - c["upper_80_idr"])) for c in cells
    ]
    return {
        "mape_pct": 100 * fmean(e / c["actual"] for e, c in zip(error, cells, strict=True)),
        "wape_pct": 100 * sum(error) / sum(c["actual"] for c in cells),
        "mae_idr": fmean(error),
        "rmse_idr": math.sqrt(fmean(e * e for e in error)),
        "mase": fmean(e / c["step"] for e, c in zip(error, cells, strict=True)),
        "pinball": (fmean(low) + fmean(high)) / 2,
        "skill_vs_naive": 1 - sum(error) / sum(other),
        "coverage_80": fmean(c["lower_80_idr"] <= c["actual"] <= c["upper_80_idr"] for c in cells),
        "coverage_95": fmean(c["lower_95_idr"] <= c["actual"] <= c["upper_95_idr"] for c in cells),
        "origins": len({c["origin_date"] for c in cells}),
        "cells": len(cells),
        "from_date": min(c["target_date"] for c in cells),
        "to_date": max(c["target_date"] for c in cells),
    }


def test_issued_accuracy_equals_its_recomputation():
    panel = walks(5, 120)
    panel.price[np.random.default_rng(1).random(panel.price.shape) < 0.1] = np.nan
    forecasts = issue_from(panel, [90, 97, 98, 110], twice=98)
    assert live_accuracy.measure(panel) > 2 * 3 * (4 + 1) * 6
    rows = DeltaTable(table_uri(TABLE)).to_pyarrow_table().to_pylist()
    expected = recomputed(panel, forecasts)
    key = contracts()[TABLE].key
    assert {tuple(row[name] for name in key) for row in rows} == set(expected) and len(rows) == len(expected)
    for row in rows:
        for name, value in expected[tuple(row[name] for name in key)].items():
            assert row[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name
        assert row["alias"] == (
            "champion" if row["model"] == ("drift" if row["commodity"] == "teh" else "naive") else None
        )
    live_accuracy.measure(panel)
    assert DeltaTable(table_uri(TABLE)).version() == 1  # created, then written once


def test_nothing_is_measured_before_a_price_is_known():
    panel = walks(5, 60)
    assert live_accuracy.measure(panel) == 0 and live_accuracy.check_drift(panel) is None
    issue_from(panel, [59], twice=59)
    assert live_accuracy.measure(panel) == 0


def test_calm_prices_are_no_drift_and_a_jump_is_drift():
    panel = walks(
        2, 220, commodities=["bawang-merah"], regions=[f"{n}" for n in range(11, 31)], volatility=0.03
    )
    issue_from(panel, list(range(190, 213, 3)), twice=190)
    calm = live_accuracy.check_drift(panel)
    assert not calm.drifted and calm.coverage_80 == pytest.approx(0.8, abs=0.06)
    panel.price[:, 200:] *= 1.5
    assert live_accuracy.check_drift(panel).drifted


def test_drift_begins_and_ends_after_several_checks_in_a_row():
    drifted, calm = DriftCheck(500, 0.5, 1.0), DriftCheck(500, 0.8, 0.0)
    day = date(2026, 1, 1)
    checks = [drifted, drifted, calm, *[drifted] * 4, calm, drifted, *[calm] * 3, drifted]
    established = []
    for nth, check in enumerate(checks):
        established.append(record_check(check, str(day + timedelta(nth))))
        assert not record_check(drifted, str(day + timedelta(nth)))  # one check a day
    assert [nth for nth, begun in enumerate(established) if begun] == [5]


def test_stability_index_worked_by_hand():
    assert psi([0.025, 0.075, 0.8, 0.075, 0.025]) == 0
    assert psi([0.1, 0.9], [0.5, 0.5]) == pytest.approx(0.4 * math.log(1.8) - 0.4 * math.log(0.2))
    assert math.isfinite(psi([0, 0, 1, 0, 0]))
