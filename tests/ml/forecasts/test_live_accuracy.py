"""gold.model_accuracy of issued forecasts equals its recomputation in plain Python; drift is detected."""

import math
from datetime import UTC, date, datetime, time, timedelta

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
from ml.models.naive import Naive
from tests.support.daily_prices_lake import of_panel
from tests.support.gold.issued import accuracy_of, forecasts_of
from tests.support.gold.rows import Row, differences, rows_of
from tests.support.panels import walks

TABLE = "gold.model_accuracy"


pytestmark = pytest.mark.usefixtures("home")


def issue_from(panel: Panel, origins: list[int], twice: int) -> list[Row]:
    """Write an issue from each origin; that from `twice` replaces an earlier one."""
    rows = forecasts_of(panel, origins, twice)
    append_once("gold.forecasts", rows, f"issues from {origins}")
    return rows


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


def test_issued_accuracy_equals_its_recomputation():
    panel = walks(5, 120)
    panel.price[np.random.default_rng(1).random(panel.price.shape) < 0.1] = np.nan
    forecasts = issue_from(panel, [90, 97, 98, 110], twice=98)
    assert live_accuracy.measure(panel) > 2 * 3 * (4 + 1) * 6
    rows = rows_of(TABLE)
    expected = accuracy_of(of_panel(panel), forecasts)
    assert not differences(contracts()[TABLE], rows, expected, list(expected[0]))
    champions = {row["commodity"]: row["model"] for row in rows if row["alias"] == "champion"}
    assert champions == {"kentang": "naive", "teh": "drift", "kol": "naive"}
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
