"""gold.forecasts: one row per series, model and day, from the end of each reporting period, issued once."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import table_uri
from lakehouse.reference import commodities
from ml import schedule
from ml.data.panel import NothingToLearn, Panel
from ml.data.reporting_periods import evaluation_panel, reporting_periods
from ml.forecasts.fitted_model import FittedModel, GateResult
from ml.forecasts.interval_widths import Z_80, reference_margins
from ml.forecasts.issue import append_forecasts, known_panel
from ml.forecasts.rows import ServedModels, forecast_rows
from ml.models.naive import Drift, Naive
from tests.support.daily_prices_lake import daily_rows, write_daily
from tests.support.panels import make_panel, walks

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
TABLE = "gold.forecasts"
NAIVE = FittedModel(Naive())


def rows_of(panel: Panel, served: ServedModels, horizons: range = range(1, 8)) -> list[dict]:
    rows = forecast_rows(panel, served, horizons, AT).to_pylist()
    key = contracts()[TABLE].key
    assert len({tuple(row[name] for name in key) for row in rows}) == len(rows)
    return rows


def test_naive_forecasts_the_last_price_with_reference_intervals():
    panel = make_panel(np.full((2, 5), 20_000.0), ["bawang-merah"], ["11", "32"])
    panel.price[1, 3:] = [22_000, np.nan]
    rows = rows_of(panel, ServedModels([NAIVE]))
    assert len(rows) == 3 * 7
    of_west_java = [row for row in rows if row["region_code"] == "32"]
    assert {row["price_idr"] for row in of_west_java} == {22_000}
    assert [row["target_date"] - row["origin_date"] for row in of_west_java] == [
        timedelta(days) for days in range(1, 8)
    ]
    half = Z_80 * commodities()["bawang-merah"].daily_volatility * math.sqrt(7)
    assert of_west_java[-1]["upper_80_idr"] == pytest.approx(22_000 * math.exp(half))
    assert {row["interval_basis"] for row in rows} == {"reference"}
    assert all(
        row["champion"] and row["model"] == "naive" and "naive is served" in row["gate_reason"]
        for row in rows
    )
    nation = [row for row in rows if row["region_code"] == "ID"]
    assert {(row["region"], row["price_idr"]) for row in nation} == {("Indonesia", 21_000)}
    confidence = [row["confidence"] for row in nation]
    assert confidence == sorted(confidence, reverse=True) and 0 < confidence[-1] < confidence[0] <= 1


def test_nation_is_the_mean_over_provinces_as_its_price_is():
    panel = make_panel(np.full((3, 5), 20_000.0), ["bawang-merah"], ["11", "32", "51"])
    panel.price[2, 4] = 50_000
    rows = rows_of(panel, ServedModels([NAIVE]))
    assert {row["price_idr"] for row in rows if row["region_code"] == "ID"} == {30_000}


def test_rows_name_the_provider_of_their_prices():
    panel = make_panel(np.full((3, 5), 20_000.0), ["bawang-merah"], ["11", "32", "51"])
    rows = rows_of(replace(panel, providers=("pihps", "panel-harga", "pihps")), ServedModels([NAIVE]))
    by_region = {(row["region_code"], row["provider"]) for row in rows}
    assert by_region == {
        ("11", "pihps"),
        ("32", "panel-harga"),
        ("51", "pihps"),
        ("ID", "panel-harga, pihps"),
    }
    assert {row["provider"] for row in rows_of(panel, ServedModels([NAIVE]))} == {None}


def test_intervals_contain_the_price_and_each_other():
    rows = rows_of(walks(3, 200), ServedModels([NAIVE, FittedModel(Drift())]))
    for row in rows:
        assert (
            0
            < row["lower_95_idr"]
            < row["lower_80_idr"]
            < row["price_idr"]
            < row["upper_80_idr"]
            < row["upper_95_idr"]
        )
    assert {row["model"] for row in rows if row["champion"]} == {"naive"}


def test_each_series_is_forecast_from_the_end_of_its_reporting_period():
    panel = make_panel(np.full((3, 400), 15_000.0), ["teh"], ["11", "32", "51"])
    panel.price[0, 100:] = np.nan  # an archive
    panel.price[1, 90:] = np.nan  # part of the same archive
    panel.price[2, :399] = np.nan  # a single price, of today
    assert [len(period) for period in reporting_periods(panel)] == [1, 2]
    origins = {
        (row["region_code"], row["horizon_days"]): row["origin_date"]
        for row in rows_of(panel, ServedModels([NAIVE]))
    }
    first = panel.days[0].item()
    ends = {
        "51": first + timedelta(399),
        "11": first + timedelta(99),
        "32": first + timedelta(99),
        "ID": first + timedelta(99),
    }
    assert origins == {(region, day): end for region, end in ends.items() for day in range(1, 8)}
    # the nation once, from the period of most of its provinces
    assert len(rows_of(panel, ServedModels([NAIVE]))) == len(origins)
    assert evaluation_panel(panel).price.shape == (2, 100)
    assert reporting_periods(make_panel(np.full((1, 3), np.nan), ["teh"], ["11"])) == []


def test_nation_is_forecast_from_what_is_reported_now_although_an_archive_has_more_provinces():
    regions = ["11", "12", "13", "14", "32", "51", "52"]
    panel = make_panel(np.full((7, 400), 15_000.0), ["teh"], regions)
    panel.price[:4, 100:] = np.nan  # an archive
    panel.price[4:, :380] = np.nan  # three provinces of today
    rows = rows_of(panel, ServedModels([NAIVE]))
    assert {row["origin_date"] for row in rows if row["region_code"] == "ID"} == {panel.days[399].item()}


def test_older_champion_serves_its_commodities_and_the_newer_fit_the_others():
    class Fixed(Naive):
        name = "boosting"

        def __init__(self, idr: float) -> None:
            self.idr = idr

        def predict(self, panel: Panel, horizons: range) -> np.ndarray:
            return np.full((len(panel.price), len(horizons)), self.idr)

    old = FittedModel(
        Fixed(1.0),
        commodities=frozenset({"teh"}),
        versions={"teh": "4"},
        gate_results={"teh": GateResult(0.2, "passed")},
    )
    new = FittedModel(Fixed(float("nan")))
    panel = walks(1, 50)
    rows = rows_of(panel, ServedModels([NAIVE, old, new], {"teh": "boosting"}))
    boosting_rows = [row for row in rows if row["model"] == "boosting"]
    assert {row["price_idr"] for row in boosting_rows if row["commodity"] == "teh"} == {1.0}
    assert {
        (row["model_version"], row["skill_vs_naive"], row["champion"])
        for row in boosting_rows
        if row["commodity"] == "teh"
    } == {("4", 0.2, True)}
    naive = {
        (row["commodity"], row["region_code"], row["horizon_days"]): row["price_idr"]
        for row in rows
        if row["model"] == "naive"
    }
    others = [row for row in boosting_rows if row["commodity"] != "teh"]
    assert others and all(
        row["price_idr"] == naive[row["commodity"], row["region_code"], row["horizon_days"]] for row in others
    )
    assert {row["commodity"] for row in rows if row["champion"] and row["model"] == "naive"} == {
        "kentang",
        "kol",
    }


def test_issue_is_written_once_and_again_after_a_new_price(home: Path):
    now = datetime(2026, 3, 10, 8, tzinfo=UTC)  # 15:00 in Jakarta: the tenth is known
    with pytest.raises(NothingToLearn):
        known_panel(now)
    assert schedule.price_state(now) is None
    write_daily(daily_rows(date(2026, 3, 1), 11))
    panel = known_panel(now)
    assert panel.days[-1] == np.datetime64("2026-03-10")  # the eleventh is not
    prices = schedule.price_state(now)
    assert (prices.last_day, prices.days) == (date(2026, 3, 10), 10)
    assert schedule.issue_due(prices, now) == "no forecast was issued yet"
    assert append_forecasts(ServedModels([NAIVE]), panel, prices) == 3 * 7 * 2
    assert schedule.issue_due(schedule.price_state(now), now) is None
    assert append_forecasts(ServedModels([NAIVE]), panel, prices) == 0
    later = datetime(2026, 3, 11, 8, tzinfo=UTC)
    assert "2026-03-11" in schedule.issue_due(schedule.price_state(later), later)
    assert (
        append_forecasts(ServedModels([NAIVE]), known_panel(later), schedule.price_state(later)) == 3 * 7 * 2
    )
    table = DeltaTable(table_uri(TABLE))
    assert (table.count(), table.protocol().min_reader_version) == (3 * 7 * 4, 1)
    assert len({row["issued_at"] for row in table.to_pyarrow_table(columns=["issued_at"]).to_pylist()}) == 2


def test_reference_margins_use_the_larger_of_listed_and_own_volatility():
    calm = walks(1, 200, volatility=0.001, commodities=["bawang-merah"])
    wild = walks(1, 200, volatility=0.2, commodities=["bawang-merah"])
    listed = Z_80 * commodities()["bawang-merah"].daily_volatility
    assert np.allclose(reference_margins(calm, [1]).half_80, listed)
    assert (reference_margins(wild, [1]).half_80 > 4 * listed).all()
