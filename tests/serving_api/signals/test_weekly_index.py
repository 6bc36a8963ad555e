"""The weekly index: contributions add up, what is missing is named, BPS has a column of its own."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.arrow import arrow_schema
from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import open_table
from lakehouse.io.query import reference_tables, run_contract_sql
from scripts.bench.api_lake import write
from tests.serving_api.indicator_lake import fill_prices
from tests.support.api import Api, Environment, new_stack, pages
from tests.support.gold.weekly import weeks_of_prices

PATH = "/api/v1/weekly-index"
BASKET_PCT = 8.33  # sum of all weights


def with_times(rows: list[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Rows that were stored an hour after they held."""
    return [row | {"ingested_at": row[column] + timedelta(hours=1), "_warnings": []} for row in rows]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("weekly"))
    rows = weeks_of_prices(random.Random(5))
    with Environment(stack).entered():
        months = [{**row, "market_name": row["region"]} for row in rows["silver.prices"]]
        fill_prices(stack.lake_root, with_times(months, "event_time"))
        macro = pa.Table.from_pylist(
            with_times(rows["silver.macro"], "released_at"), schema=arrow_schema(contracts()["silver.macro"])
        )
        write(stack.lake_root, "silver.macro", macro)
        indicators = open_table("gold.indicators", root=stack.lake_root).to_pyarrow_table()
        views = {"gold_indicators": indicators, "silver_macro": macro}
        computed = run_contract_sql(contracts()["gold.weekly_index"], views | reference_tables())
        write(stack.lake_root, "gold.weekly_index", computed)
    running = Api(stack)
    yield running
    running.stop()


def test_index_is_the_sum_of_its_contributions_whatever_is_missing(api: Api) -> None:
    items = pages(api, f"{PATH}?limit=50")
    assert items == pages(api, f"{PATH}?limit=1000") and len(items) > 50
    weeks = [item["week"] for item in items]
    assert weeks == sorted(weeks, reverse=True) and {
        date.fromisoformat(week).weekday() for week in weeks
    } == {0}
    with_index = [item for item in items if item["index_pct"] is not None]
    assert len(with_index) > 20
    for item in items:
        known = [row for row in item["items"] if row["contribution_pct"] is not None]
        missing = [row for row in item["items"] if row["contribution_pct"] is None]
        assert (item["index_pct"] is None) is (not known)
        assert sum(row["contribution_pct"] for row in known) == pytest.approx(
            item["index_pct"] or 0, abs=1e-9
        )
        assert sum(row["weight"] for row in missing) == pytest.approx(item["missing_weight_pct"])
        assert item["up"] + item["down"] + item["stable"] == len(known)
        if item["region"] != "Indonesia":
            assert item["weight_pct"] + item["missing_weight_pct"] == pytest.approx(BASKET_PCT)
            weighted = sum(row["weight"] * row["change_pct"] for row in known)
            assert weighted == pytest.approx((item["index_pct"] or 0) * item["weight_pct"], abs=1e-9)
        assert [row["contribution_pct"] for row in known] == sorted(
            (row["contribution_pct"] for row in known), reverse=True
        )


def test_nation_is_the_mean_of_the_provinces_and_names_the_highest_first(api: Api) -> None:
    by_week: dict[str, dict[str, Any]] = {}
    for item in pages(api, f"{PATH}?limit=1000"):
        by_week.setdefault(item["week"], {})[item["region"]] = item
    compared = 0
    for regions in by_week.values():
        nation = regions.pop("Indonesia")
        indexed = {name: item["index_pct"] for name, item in regions.items() if item["index_pct"] is not None}
        if indexed:
            assert nation["index_pct"] == pytest.approx(sum(indexed.values()) / len(indexed))
            assert nation["highest"] == sorted(indexed, key=lambda name: -indexed[name])
            assert nation["lowest"] == nation["highest"][::-1] and nation["rank"] is None
            assert regions[nation["highest"][0]]["rank"] == 1
            compared += len(indexed) > 1
    assert compared > 3


def test_figure_of_bps_is_next_to_the_index(api: Api) -> None:
    (item,) = pages(api, f"{PATH}?region=Jawa%20Barat&week=2025-07-07")
    assert (item["week_end"], item["bps_index_pct"]) == ("2025-07-13", 0.41)
    others = pages(api, f"{PATH}?region=Aceh&limit=1000")
    assert {item["bps_index_pct"] for item in others} == {None}
    assert item["weights"] == "BPS, Survei Biaya Hidup, via PIHPS (2012)"


def test_index_as_known_on_a_day_has_no_later_week(api: Api) -> None:
    (known,) = pages(api, f"{PATH}?region=32&week=2025-07-07&date=2025-07-09")
    (now,) = pages(api, f"{PATH}?region=32&week=2025-07-07")
    assert not known["is_complete"] and known["bps_index_pct"] is None and now["is_complete"]
    assert known["items"] != now["items"]
    assert pages(api, f"{PATH}?date=2025-07-09")[0]["week"] == "2025-07-07"


@pytest.mark.parametrize(("query", "status"), [("week=2026-11-24", 422), ("region=Atlantis", 404)])
def test_other_day_than_a_monday_and_unknown_province_are_refused(api: Api, query: str, status: int) -> None:
    assert api.get(f"{PATH}?{query}").status_code == status
