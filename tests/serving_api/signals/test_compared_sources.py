"""Prices of two providers side by side: the difference, and the reason that fits it."""

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.serving_api.indicator_lake import fill_prices, province_price
from tests.support.api import Api, Environment, new_stack, pages

PATH = "/api/v1/sources/compare"
BEGIN = date(2025, 1, 1)
WITH_UNITS = 90  # day on which the second provider sent another unit
TEN_TIMES = 92
JUMP = 94
ALIKE = 96


def cell(commodity: str, number: int, provider: str, price_idr: float, **more: Any) -> dict[str, Any]:
    day = BEGIN + timedelta(days=number)
    stored = datetime(day.year, day.month, day.day, 9).astimezone()
    row = province_price(commodity, "32", day, price_idr, stored, provider=provider, **more)
    return row | {"event_id": f"{commodity}-{provider}-{number}"}


def rows() -> list[dict[str, Any]]:
    """100 days: sugar 8 % apart, salt a day late, oil of markets against the province, rice alone."""
    listed = []
    for number in range(100):
        sugar = 17_000.0 * (1 + 0.02 * math.sin(number / 5))
        factor = {TEN_TIMES: 10.0, JUMP: 1.5, ALIKE: 1.0}.get(number, 1.08)
        unit = {"unit": "g"} if number == WITH_UNITS else {}
        salt = 11_000.0 + 300 * number
        place = {"level": "market", "market_id": "PASAR-001"}
        listed += [
            cell("gula-konsumsi", number, "a", sugar),
            cell("gula-konsumsi", number, "b", sugar * factor, **unit),
            cell("garam", number, "a", salt),
            cell("garam", number, "b", salt - 300),
            cell("minyakita", number, "a", 15_700.0),
            cell("minyakita", number, "b", 16_500.0, **place),
            cell("beras-medium", number, "a", 13_000.0),
        ]
    return listed


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("sources"))
    with Environment(stack).entered():
        fill_prices(stack.lake_root, rows())
    running = Api(stack)
    yield running
    running.stop()


def compared(api: Api, commodity: str) -> dict[str, dict[str, Any]]:
    items = pages(api, f"{PATH}?commodity={commodity}&region=32&from=2025-01-01&limit=30")
    return {item["market_date"]: item for item in items}


def test_difference_has_the_reason_that_fits_it(api: Api) -> None:
    sugar = compared(api, "gula-konsumsi")
    assert len(sugar) == 100
    by_number = [sugar[f"{BEGIN + timedelta(days=number)}"] for number in range(100)]
    usual = by_number[60]
    assert [price["provider"] for price in usual["prices"]] == ["a", "b"]
    assert usual["difference_pct"] == pytest.approx(8) and usual["usual_pct"] == pytest.approx(8)
    assert usual["reason"] == "quality" and by_number[10]["reason"] == "unknown", "30 days make it usual"
    expected = {WITH_UNITS: "unit", TEN_TIMES: "unit", JUMP: "unknown", ALIKE: None}
    assert {number: by_number[number]["reason"] for number in expected} == expected
    assert compared(api, "garam")[f"{BEGIN + timedelta(days=50)}"]["reason"] == "day"
    oil = compared(api, "minyakita")[f"{BEGIN + timedelta(days=50)}"]
    assert oil["reason"] == "markets" and oil["difference_pct"] == pytest.approx(100 * (16.5 / 15.7 - 1))


def test_cell_of_one_provider_is_not_listed(api: Api) -> None:
    assert compared(api, "beras-medium") == {}
    body = api.get(f"{PATH}?commodity=gula-konsumsi").json()
    assert len(body["items"]) == 30 and body["meta"]["as_of"] is not None
    assert pages(api, f"{PATH}?commodity=gula-konsumsi&region=Aceh") == []


@pytest.mark.parametrize("query", ["commodity=unobtainium", "commodity=garam&region=Atlantis"])
def test_unknown_name_is_refused(api: Api, query: str) -> None:
    assert api.get(f"{PATH}?{query}").status_code == 404
