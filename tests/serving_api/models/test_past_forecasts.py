"""Past forecasts: one of each day and horizon, with the price that all pages show for that day."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.io.query import run_sql
from scripts.bench.api_lake import write
from tests.serving_api.indicator_lake import LAST, fill_prices, stored_rows
from tests.support import forecast_lake
from tests.support.api import Api, Environment, new_stack
from tests.support.served_lake import NOW

CHILLI = "cabai-rawit-merah"
# The price of a province and the mean over the provinces; written without the product's SQL.
EXPECTED = """
    with days as (
        select region_code, market_date, median(price_idr) as price from silver
        where channel = 'retail' and level = 'province' and commodity = $commodity group by all
    )
    select *, avg(price) over (partition by market_date) as national from days
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, pa.Table]]:
    """Forecasts of a province and the nation, issued thrice from one origin; once after the first day."""
    stack = new_stack(tmp_path_factory.mktemp("issued"))
    issued_at = datetime.combine(LAST - timedelta(days=3), datetime.min.time(), NOW.tzinfo)
    make = partial(forecast_lake.issue, "ensemble", CHILLI, issued_at=issued_at, champion=True)
    first = [*make("32"), *make("ID")]
    again = [
        row | {"issued_at": issued_at + timedelta(hours=hours), "price_idr": 1000.0 + hours}
        for hours in (12, 32)
        for row in first
    ]
    with Environment(stack).entered():
        silver = fill_prices(stack.lake_root, stored_rows(7))
        write(stack.lake_root, "gold.forecasts", first + again)
    api = Api(stack)
    yield api, silver
    api.stop()


def issued(api: Api, region: str) -> list[dict[str, Any]]:
    response = api.get(f"/api/v1/forecasts/issued?commodity={CHILLI}&region={region}")
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


@pytest.mark.parametrize(("region", "price"), [("32", "price"), ("ID", "national")])
def test_issued_forecasts_name_the_price_that_followed(
    lake: tuple[Api, pa.Table], region: str, price: str
) -> None:
    api, silver = lake
    items = issued(api, region)
    expected = {
        row["market_date"]: row[price]
        for row in run_sql(EXPECTED, {"silver": silver}, {"commodity": CHILLI}).to_pylist()
        if row["region_code"] == "32"
    }
    for item in items:
        actual = expected.get(date.fromisoformat(item["target_date"]))
        assert item["actual_idr"] == (actual and pytest.approx(actual))
        held = None if actual is None else item["lower_idr"] <= actual <= item["upper_idr"]
        assert item["inside"] == held
    assert any(item["actual_idr"] for item in items)
    assert max(items, key=lambda item: item["target_date"])["actual_idr"] is None


def test_repeated_issue_is_one_forecast_and_one_after_its_day_is_not_chosen(
    lake: tuple[Api, pa.Table],
) -> None:
    items = issued(lake[0], "ID")
    prices = {item["horizon_days"]: item["price_idr"] for item in items}
    assert len(items) == 7 and all(item["in_time"] for item in items)
    assert prices == {1: 1012.0} | dict.fromkeys(range(2, 8), 1032.0)
