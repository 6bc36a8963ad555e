"""Correlations of weather and prices are those of the table, with their significance."""

from typing import Any

import orjson
import pytest

from tests.support.api import Api

PATH = "/api/v1/analytics/correlation"


def correlate(api: Api, **more: Any) -> Any:
    body = {"commodity": "Bawang Merah", "region": "32", "variable": "rainfall_mm", **more}
    return api.post(PATH, orjson.dumps(body), None)


def test_lag_with_the_smallest_p_value_is_returned(models: Api) -> None:
    result = correlate(models).json()
    assert {
        name: result[name]
        for name in ("commodity", "region", "lag_days", "correlation", "text", "significant")
    } == {
        "commodity": "bawang-merah",
        "region": "Jawa Barat",
        "lag_days": 14,
        "correlation": 0.114,
        "text": "14 hari",
        "significant": False,
    }
    assert [row["lag_days"] for row in result["by_lag"]] == [0, 7, 14]
    assert result["meta"]["delta_version"] == {"gold.weather_prices": 0}
    assert result["meta"]["as_of"] == "2025-03-31T00:00:00Z", "the newest day behind it"
    far = correlate(models, max_lag_days=60, **{"from": "2019-01-01", "to": "2026-01-01"}).json()
    assert (far["lag_days"], far["significant"]) == (30, True)


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"variable": "temperature_c"}, "insufficient-data"),
        ({"region": "Bali"}, "insufficient-data"),
        ({"variable": "moon"}, "validation"),
        ({"max_lag_days": 61}, "validation"),
        ({"from": "2024-02-30"}, "validation"),
        ({"commodity": "unobtainium"}, "validation"),
        ({"region": "Atlantis"}, "validation"),
        ({"region": "Indonesia"}, "validation"),
        ({"region": None}, "validation"),
    ],
)
def test_invalid_or_unmeasured_correlation_is_refused(models: Api, body: dict[str, Any], slug: str) -> None:
    response = correlate(models, **body)
    assert (response.status_code, response.json()["type"]) == (422, f"/problems/{slug}"), response.text


@pytest.mark.parametrize(("name", "day"), [("from", "2024-01-01"), ("to", "2024-01-01")])
def test_part_of_the_measured_period_names_the_parameter(models: Api, name: str, day: str) -> None:
    problem = correlate(models, **{name: day}).json()
    assert (problem["status"], problem["type"]) == (422, "/problems/validation")
    assert [fault["pointer"] for fault in problem["errors"]] == [f"/{name}"]
    assert f"{name} {day}" in problem["detail"] and "measured period" in problem["detail"]


def test_insufficient_data_before_the_first_measurement(bare: Api) -> None:
    assert correlate(bare).json()["type"] == "/problems/insufficient-data"
