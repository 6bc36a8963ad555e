"""Prices are judged on request by what came before them; what the job found is listed."""

from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from serving_api.answers import plain
from tests.serving_api.conftest import NOW, Api
from tests.serving_api.forecast_lake import GOOD

PATH = "/api/v1/predict/anomaly"
LONG_AGO = [
    {"date": "2024-01-01", "price_idr": 40_000},
    {"date": "2024-01-02", "price_idr": 40_500},
    {"date": "2024-01-03", "price_idr": 400_000},
]


def judged(api: Api, **body: Any) -> Any:
    return api.post(PATH, orjson.dumps({"commodity": "bawang-merah", "observations": LONG_AGO, **body}), None)


def today(price_idr: float) -> list[dict[str, Any]]:
    return [{"date": f"{NOW.date()}", "price_idr": price_idr}]


def test_a_zero_too_many_is_found_by_the_prices_before_it(models: Api) -> None:
    answer = judged(models, region="Jawa Barat")
    told = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"] == "private, no-store"
    assert (told["commodity"], told["region"], told["count"]) == ("bawang-merah", "Jawa Barat", 1)
    assert [one["date"] for one in told["anomalies"]] == [one["date"] for one in LONG_AGO]
    assert [one["severity"] for one in told["anomalies"]] == ["none", "none", "critical"]
    assert told["anomalies"][2]["is_anomaly"] and "residual" in told["anomalies"][2]["methods"]
    assert told["meta"]["model"]["trained_on"] == {"gold.series_stats": 0} and told["meta"]["rule_set"]


def test_a_price_of_today_is_judged_by_the_tables(models: Api) -> None:
    usual = judged(models, region="32", observations=today(35_500)).json()["anomalies"][0]
    assert (usual["is_anomaly"], usual["methods"]) == (False, [])
    strange = judged(models, region="32", observations=today(50_000)).json()["anomalies"][0]
    assert strange["is_anomaly"] and set(strange["methods"]) == {"isolation_forest", "dbscan", "residual"}
    alone = judged(models, region="32", observations=today(50_000), methods=["dbscan"]).json()["anomalies"][0]
    assert alone["methods"] == ["dbscan"] and alone["severity"] == "low", "some 30 provinces cannot say more"
    nation = judged(models, observations=today(50_000)).json()
    assert nation["region"] == "Indonesia" and nation["count"] == 1


def test_a_group_is_judged_as_its_representative_and_without_tables(bare: Api) -> None:
    told = judged(bare, commodity="cabai").json()
    assert told["commodity"] == GOOD and told["count"] == 1
    assert told["meta"]["delta_version"] == {"gold.series_stats": 0} and told["meta"]["as_of"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"observations": []}, "observations_length"),
        ({"observations": LONG_AGO * 334}, "observations_length"),
        ({"observations": [{"date": "2024-01-01", "price_idr": 0}]}, "field_type"),
        ({"observations": [{"date": "2024-02-30", "price_idr": 1}]}, "date_fits"),
        ({"observations": [{"date": 1_700_000_000, "price_idr": 1}]}, "date_fits"),
        ({"observations": [{"date": "2024-01-01", "price_idr": "1"}]}, "field_type"),
        ({"observations": [{"date": "2024-01-01", "price_idr": 1, "unit": "kg"}]}, "field_unknown"),
        ({"methods": []}, "methods_length"),
        ({"methods": ["guessing"]}, "methods_known"),
        ({"commodity": "unobtainium"}, "unknown_commodity"),
        ({"region": "Atlantis"}, "unknown_region"),
    ],
)
def test_series_that_are_none(models: Api, body: dict[str, Any], code: str) -> None:
    answer = judged(models, **body)
    assert answer.status_code == 422 and code in [error["code"] for error in answer.json()["errors"]], answer.text


def test_a_thousand_prices_are_judged(models: Api) -> None:
    days = [{"date": f"{date(2020, 1, 1) + timedelta(days=day)}", "price_idr": 40_000 + 100 * (day % 7)} for day in range(1000)]
    told = judged(models, observations=days).json()
    assert len(told["anomalies"]) == 1000 and told["count"] == 0


def test_anomalies_of_a_region_newest_first(models: Api) -> None:
    told = models.get(f"{PATH}/Jawa Barat").json()
    times = [item["event_time"] for item in told["items"]]
    assert len(times) == 6 and times == sorted(times, reverse=True), "one is older than 30 days, one in Bali"
    assert told["items"][0] == {
        "region": "Jawa Barat", "commodity": GOOD, "market_id": None, "event_time": plain(NOW - timedelta(days=1)),
        "price_idr": 60_000.0, "score": 0.995, "severity": "medium", "kind": "temporal", "label": "unknown",
    }  # fmt: skip
    assert told["meta"]["delta_version"] == {"gold.anomalies": 0}
    assert len(models.get(f"{PATH}/32?from=2000-01-01").json()["items"]) == 7
    assert len(models.get(f"{PATH}/32?commodity=cabai").json()["items"]) == 6
    assert [one["severity"] for one in models.get(f"{PATH}/32?severity=high").json()["items"]] == ["high"]
    page = models.get(f"{PATH}/32?limit=4").json()
    rest = models.get(f"{PATH}/32?limit=4&cursor={page['next_cursor']}").json()
    assert page["items"] + rest["items"] == told["items"] and rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("Atlantis", 404, "unknown-region"),
        ("32?commodity=unobtainium", 404, "unknown-commodity"),
        ("32?severity=none", 422, "validation"),
        ("32?from=yesterday", 422, "validation"),
        ("Atlantis?cursor=x", 422, "validation"),
    ],
)
def test_lists_that_are_none(models: Api, bare: Api, path: str, status: int, slug: str) -> None:
    answer = models.get(f"{PATH}/{path}")
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    assert bare.get(f"{PATH}/32").json()["items"] == []
