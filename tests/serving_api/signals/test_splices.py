"""Where the prices of two providers were put together is named; published prices stay as they are."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.api_lake import write
from tests.serving_api.indicator_lake import fill_prices, province_price
from tests.support.api import Api, Environment, new_stack, pages
from tests.support.served_lake import NOW


def answer(api: Api, path: str) -> dict[str, Any]:
    response = api.get(path)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_series_and_indicators_name_where_two_providers_were_put_together(tmp_path: Path) -> None:
    """Salt of one provider until 2023 and of another from 2024; the history of prices stays as published."""
    stack = new_stack(tmp_path)
    ended = [date(2023, 1, 1) + timedelta(days=back) for back in range(60)]
    current = [date(2024, 1, 1) + timedelta(days=back) for back in range(10)]
    rows = [province_price("garam", "32", day, 8_000.0, NOW, provider="pihps") for day in ended]
    rows += [province_price("garam", "32", day, 10_000.0, NOW) for day in current]
    with Environment(stack).entered():
        fill_prices(stack.lake_root, rows)
        write(stack.lake_root, "gold.price_history", [row | {"warnings": []} for row in rows])
    api = Api(stack)
    try:
        series = answer(api, "/api/v1/series/daily?commodity=garam&from=2023-01-01&to=2024-02-01")
        (seam,) = series["seams"]
        assert (seam["code"], seam["provider"], seam["spliced_from"]) == ("32", "panel-harga", "pihps")
        assert (seam["day"], seam["factor"]) == ("2024-01-01", pytest.approx(1.25))
        assert series["price_idr"][0][0] == series["price_idr"][0][-1] == 10_000.0
        assert (
            answer(api, "/api/v1/series/daily?commodity=garam&from=2024-01-01&to=2024-02-01")["seams"] == []
        )
        listed = pages(api, "/api/v1/indicators?commodity=garam&from=2023-01-01&limit=1000")
        assert [row["spliced_from"] for row in listed] == [None] * 10 + ["pihps"] * 60
        history = pages(api, "/api/public/commodity/price/history?commodity=garam&from=2023-01-01&limit=1000")
        assert {row["price_idr"] for row in history} == {8_000.0, 10_000.0}
    finally:
        api.stop()
