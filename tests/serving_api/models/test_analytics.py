"""What weather has to do with prices is told as it was measured, with its doubts."""

from typing import Any

import orjson
import pytest

from tests.serving_api.conftest import Api

PATH = "/api/v1/analytics/correlation"


def ask(api: Api, **more: Any) -> Any:
    body = {"commodity": "Bawang Merah", "region": "32", "variable": "rainfall_mm", **more}
    return api.post(PATH, orjson.dumps(body), None)


def test_the_strongest_lag_among_those_asked_for(models: Api) -> None:
    told = ask(models).json()
    assert {name: told[name] for name in ("commodity", "region", "lag_days", "correlation", "text", "significant")} == {
        "commodity": "bawang-merah", "region": "Jawa Barat", "lag_days": 14, "correlation": 0.114, "text": "14 hari",
        "significant": False,
    }  # fmt: skip
    assert [row["lag_days"] for row in told["by_lag"]] == [0, 7, 14]
    assert told["meta"]["delta_version"] == {"gold.weather_prices": 0}
    far = ask(models, max_lag_days=60, **{"from": "2019-01-01", "to": "2026-01-01"}).json()
    assert (far["lag_days"], far["significant"]) == (30, True)


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"variable": "temperature_c"}, "insufficient-data"),
        ({"region": "Bali"}, "insufficient-data"),
        ({"from": "2024-01-01"}, "insufficient-data"),
        ({"variable": "moon"}, "validation"),
        ({"max_lag_days": 61}, "validation"),
        ({"from": "2024-02-30"}, "validation"),
        ({"commodity": "unobtainium"}, "validation"),
        ({"region": "Atlantis"}, "validation"),
        ({"region": "Indonesia"}, "validation"),
        ({"region": None}, "validation"),
    ],
)
def test_questions_without_an_answer(models: Api, body: dict[str, Any], slug: str) -> None:
    answer = ask(models, **body)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}"), answer.text


def test_before_anything_was_measured(bare: Api) -> None:
    assert ask(bare).json()["type"] == "/problems/insufficient-data"
