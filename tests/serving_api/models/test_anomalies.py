"""Prices are checked on request against earlier prices; anomalies that the job detected are listed."""

from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from lakehouse.times import utc_text
from tests.support.api import Api
from tests.support.forecast_lake import COMMODITY
from tests.support.served_lake import NOW

PATH = "/api/v1/predict/anomaly"
LONG_AGO = [
    {"date": "2024-01-01", "price_idr": 40_000},
    {"date": "2024-01-02", "price_idr": 40_500},
    {"date": "2024-01-03", "price_idr": 400_000},
]


def check(api: Api, **body: Any) -> Any:
    return api.post(PATH, orjson.dumps({"commodity": "bawang-merah", "observations": LONG_AGO, **body}), None)


def today(price_idr: float) -> list[dict[str, Any]]:
    return [{"date": f"{NOW.date()}", "price_idr": price_idr}]


def test_price_with_an_extra_zero_is_found_from_the_prices_before_it(models: Api) -> None:
    response = check(models, region="Jawa Barat")
    result = response.json()
    assert response.status_code == 200 and response.headers["cache-control"] == "private, no-store"
    assert (result["commodity"], result["region"], result["count"]) == ("bawang-merah", "Jawa Barat", 1)
    assert [entry["date"] for entry in result["anomalies"]] == [entry["date"] for entry in LONG_AGO]
    assert [entry["severity"] for entry in result["anomalies"]] == ["none", "none", "critical"]
    verdicts = [(entry["verdict"], entry["reason"]) for entry in result["anomalies"]]
    assert verdicts == [("not_evaluated", "too_old"), ("ordinary", None), ("anomaly", None)]
    assert result["anomalies"][2]["is_anomaly"] and "residual" in result["anomalies"][2]["methods"]
    assert result["meta"]["model"]["trained_on"] == {"gold.series_stats": 0} and result["meta"]["rule_set"]


def test_price_of_today_is_compared_with_the_tables(models: Api) -> None:
    usual = check(models, region="32", observations=today(35_500)).json()["anomalies"][0]
    assert (usual["is_anomaly"], usual["methods"]) == (False, [])
    strange = check(models, region="32", observations=today(50_000)).json()["anomalies"][0]
    assert strange["is_anomaly"] and set(strange["methods"]) == {"isolation_forest", "dbscan", "residual"}
    alone = check(models, region="32", observations=today(50_000), methods=["dbscan"]).json()["anomalies"][0]
    assert alone["methods"] == ["dbscan"] and alone["severity"] == "low", (
        "about 30 provinces allow no higher severity"
    )
    nation = check(models, observations=today(50_000)).json()
    assert nation["region"] == "Indonesia" and nation["count"] == 1


def test_price_that_nothing_can_evaluate_is_not_called_usual(models: Api, bare: Api) -> None:
    later = f"{NOW.date() + timedelta(days=90)}"
    (far,) = check(models, region="32", observations=[{"date": later, "price_idr": 36_000}]).json()[
        "anomalies"
    ]
    assert (far["verdict"], far["reason"], far["score"], far["is_anomaly"]) == (
        "not_evaluated",
        "too_new",
        0.0,
        False,
    )
    (alone,) = check(bare, observations=today(60_000)).json()["anomalies"]
    assert (alone["verdict"], alone["reason"]) == ("not_evaluated", "no_history")
    (broken,) = check(models, region="32", observations=[{"date": later, "price_idr": 355_000}]).json()[
        "anomalies"
    ]
    assert broken["severity"] == "critical", "a factor of ten is wrong after any time"


def test_group_is_checked_as_its_representative_without_tables(bare: Api) -> None:
    result = check(bare, commodity="cabai").json()
    assert result["commodity"] == COMMODITY and result["count"] == 1
    assert result["meta"]["delta_version"] == {"gold.series_stats": 0} and result["meta"]["as_of"] is None


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
def test_invalid_series_is_refused(models: Api, body: dict[str, Any], code: str) -> None:
    response = check(models, **body)
    assert response.status_code == 422 and code in [error["code"] for error in response.json()["errors"]], (
        response.text
    )


def test_thousand_prices_are_checked(models: Api) -> None:
    days = [
        {"date": f"{date(2020, 1, 1) + timedelta(days=day)}", "price_idr": 40_000 + 100 * (day % 7)}
        for day in range(1000)
    ]
    result = check(models, observations=days).json()
    assert len(result["anomalies"]) == 1000 and result["count"] == 0


def test_anomalies_of_a_region_are_listed_newest_first(models: Api) -> None:
    result = models.get(f"{PATH}/Jawa Barat").json()
    times = [item["event_time"] for item in result["items"]]
    assert len(times) == 6 and times == sorted(times, reverse=True), "one is older than 30 days, one in Bali"
    assert result["items"][0] == {
        "region": "Jawa Barat",
        "commodity": COMMODITY,
        "market_id": None,
        "event_time": utc_text(NOW - timedelta(days=1)),
        "price_idr": 60_000.0,
        "score": 0.995,
        "severity": "medium",
        "kind": "temporal",
        "label": "unknown",
    }
    assert result["meta"]["delta_version"] == {"gold.anomalies": 0}
    assert result["meta"]["as_of"] == utc_text(NOW - timedelta(days=1))
    assert len(models.get(f"{PATH}/32?from=2000-01-01").json()["items"]) == 7
    assert len(models.get(f"{PATH}/32?commodity=cabai").json()["items"]) == 6
    assert [entry["severity"] for entry in models.get(f"{PATH}/32?severity=high").json()["items"]] == ["high"]
    page = models.get(f"{PATH}/32?limit=4").json()
    rest = models.get(f"{PATH}/32?limit=4&cursor={page['next_cursor']}").json()
    assert page["items"] + rest["items"] == result["items"] and rest["next_cursor"] is None


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
def test_invalid_anomaly_query_is_refused(models: Api, bare: Api, path: str, status: int, slug: str) -> None:
    response = models.get(f"{PATH}/{path}")
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}"), response.text
    assert bare.get(f"{PATH}/32").json()["items"] == []
