"""The impact of a price move, macro values, indicators, and the correlation of posts with prices."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.impact import FACTORS
from scripts.bench.api_lake import write
from tests.support.api import Api, new_stack, pages
from tests.support.served_lake import NOW, price

TODAY = date(2026, 11, 20)
IMPACT = "/api/public/impact?commodity=bawang-merah&market_id={}&prev_price=50000&new_price=60000"


def factors(region_code: str, days_ago: int, **shares: float) -> dict[str, Any]:
    """A row of gold.impact_factors."""
    return {
        "commodity": "bawang-merah",
        "region_code": region_code,
        "region": "Jawa Barat",
        "market_date": TODAY - timedelta(days=days_ago),
        "change": 0.1,
        "scale": 0.1,
        **dict.fromkeys(FACTORS, 0.0),
        **shares,
        "unavailable": ["hama"],
        "prices_version": 4,
        "measured_at": NOW,
    }


def released(number: int, indicator: str, value: float | None, days_ago: int) -> dict[str, Any]:
    """A row of silver.macro."""
    at = NOW - timedelta(days=days_ago)
    return {
        "event_id": f"m{number}",
        "indicator": indicator,
        "period": f"{at:%Y-%m}",
        "value": value,
        "unit": "percent",
        "released_at": at,
        "publisher": "BPS" if number % 2 else None,
        "source": "api:central",
        "event_time": at,
        "event_month": f"{at:%Y-%m}",
    }


def lag(region_code: str, days: int, p_value: float) -> dict[str, Any]:
    """A row of gold.weather_prices about posts."""
    return {
        "commodity": "bawang-merah",
        "region_code": region_code,
        "region": "Indonesia",
        "variable": "sentiment",
        "lag_days": days,
        "correlation": 0.1,
        "n": 300,
        "n_eff": 120.0,
        "ci_low": -0.1,
        "ci_high": 0.3,
        "p_value": p_value,
        "p_value_adjusted": 0.6,
        "significant": False,
        "strongest": False,
        "text": "tidak ada hubungan bermakna",
        "method": "Pearson",
        "from_date": TODAY,
        "to_date": TODAY,
        "measured_at": NOW,
    }


def indicator(region_code: str, days_ago: int, **more: Any) -> dict[str, Any]:
    """A row of gold.indicators."""
    day = TODAY - timedelta(days=days_ago)
    return {
        "commodity": "beras-medium",
        "region_code": region_code,
        "region": "Jawa Barat",
        "channel": "retail",
        "level": "province",
        "provider": "panel-harga",
        "market_date": day,
        "market_month": f"{day:%Y-%m}",
        "alps": 0.5,
        "alps_class": "stress",
        "gap_pct": 6.0,
        **more,
    }


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(Path(tmp_path_factory.mktemp("impact")))
    root = stack.lake_root
    write(
        root, "gold.impact_factors", [factors("32", 1, cuaca=0.5), factors("32", 0, musim=0.06, cuaca=-0.02)]
    )
    macro = [
        released(1, "inflation", 2.0, 60),
        released(2, "inflation", 4.0, 1),
        released(3, "interest", 5.0, 1),
    ]
    write(root, "silver.macro", [*macro, released(4, "inflation", None, 0)])
    write(root, "gold.weather_prices", [lag("ID", days, 0.5 - days / 100) for days in range(31)])
    moved = price("p1", "PASAR-001", "bawang-merah", timedelta(), 60_000.0, previous_price_idr=50_000.0)
    first = price("p2", "PASAR-002", "bawang-merah", timedelta(), 60_000.0)
    unmeasured = price("p3", "PROV-91", "bawang-merah", timedelta(), 9_000.0, previous_price_idr=8_000.0)
    write(root, "gold.live_prices", [moved, first, unmeasured])
    rows = [indicator("32", 0), indicator("31", 0), indicator("32", 1), indicator("32", 40)]
    write(root, "gold.indicators", [*rows, indicator("32", 0, channel="producer")])
    running = Api(stack)
    yield running
    running.stop()


def test_impact_of_a_move_in_a_measured_province(api: Api) -> None:
    answer = api.get(IMPACT.format("PASAR-001")).json()
    assert answer["price_change"] == pytest.approx(0.2)
    assert answer["dominant_factor"] == "musim"
    assert answer["factors_with_weights"]["musim"] == pytest.approx(75)
    assert sum(answer["factors_with_weights"].values()) == pytest.approx(100, abs=0.1)
    assert answer["macro"] == {"inflation": 4.0, "fuel_coefficient": None, "fertilizer_trend": None}
    assert answer["meta"]["model"]["name"] == "impact-ridge"
    assert (answer["directions"]["musim"], answer["directions"]["hama"]) == ("up", None)
    assert 50 < answer["impact_score"] < 100


def test_live_price_has_the_impact_of_its_last_move(api: Api) -> None:
    score = api.get(IMPACT.format("PASAR-001")).json()["impact_score"]
    listed = api.get("/api/public/commodity/price/live?commodity=bawang-merah").json()["items"]
    scores = {item["market_id"]: item["impact_score"] for item in listed}
    moved = IMPACT.format("PROV-91").replace("50000", "8000").replace("60000", "9000")
    typical = api.get(moved).json()["impact_score"]
    assert scores == {
        "PASAR-001": pytest.approx(score),
        "PASAR-002": None,
        "PROV-91": pytest.approx(typical),
    }, "the second one has no earlier price, the third no measured week"
    assert 0 < typical < 100
    today = f"{NOW:%Y-%m-%d}"
    earlier = f"/api/public/commodity/price/live?commodity=bawang-merah&known_on={today}"
    assert all(item["impact_score"] is None for item in api.get(earlier).json()["items"])


def test_impact_without_a_measurement_names_no_factor(api: Api) -> None:
    answer = api.get(IMPACT.format("PROV-91")).json()
    assert answer["dominant_factor"] is None and answer["meta"]["model"] is None
    assert set(answer["factors_with_weights"].values()) == {0.0}
    assert answer["unavailable"] == list(FACTORS)


def test_short_form_redirects(api: Api) -> None:
    response = api.get("/impact?commodity=garam")
    assert (response.status_code, response.headers["location"]) == (308, "/api/public/impact?commodity=garam")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (IMPACT.format("NOWHERE"), 404),
        (IMPACT.format("PASAR-001").replace("bawang-merah", "unobtainium"), 404),
        (IMPACT.format("PASAR-001").replace("50000", "0"), 422),
        (IMPACT.format("PASAR-001").replace("50000", "inf"), 422),
        (IMPACT.format("PASAR-001") + "&more=1", 422),
        ("/api/v1/macro?indicator=interest", 422),
        ("/api/v1/indicators", 422),
        ("/api/v1/indicators?commodity=garam&region=Atlantis", 404),
        ("/api/v1/sentiment/correlation?commodity=garam", 422),
        ("/api/v1/sentiment/correlation?commodity=bawang-merah&max_lag_days=31", 422),
        ("/api/v1/sentiment/correlation?commodity=unobtainium", 404),
    ],
)
def test_wrong_queries_are_refused(api: Api, path: str, status: int) -> None:
    assert api.get(path).status_code == status


def test_macro_values_are_listed_newest_release_first(api: Api) -> None:
    since = (NOW - timedelta(days=100)).date()
    listed = pages(api, f"/api/v1/macro?limit=1&from={since}")
    assert [(item["value"], item["source"]) for item in listed] == [(4.0, "api:central"), (2.0, "BPS")]
    assert [item["value"] for item in pages(api, "/api/v1/macro?indicator=inflation")] == [4.0]


def test_retail_indicators_are_listed_newest_day_first(api: Api) -> None:
    listed = pages(api, "/api/v1/indicators?commodity=beras&limit=2")
    assert [item["market_date"] for item in listed] == ["2026-11-20", "2026-11-20", "2026-11-19"]
    of_region = pages(
        api, "/api/v1/indicators?commodity=beras-medium&region=32&from=2026-10-01&to=2026-11-20"
    )
    assert [item["market_date"] for item in of_region] == ["2026-11-19", "2026-10-11"]
    assert of_region[0]["alps_class"] == "stress" and of_region[0]["ifpa"] is None


def test_correlation_of_posts_with_the_national_price(api: Api) -> None:
    answer = api.get("/api/v1/sentiment/correlation?commodity=bawang-merah").json()
    assert (answer["variable"], answer["lag_days"], len(answer["by_lag"])) == ("sentiment", 7, 8)
    assert answer["region"] == "Indonesia" and not answer["significant"]
    assert api.get("/api/v1/sentiment/correlation?commodity=bawang-merah&region=32").status_code == 422


def test_weekly_moves_are_listed_newest_first_with_their_shares(api: Api):
    newest, older = pages(api, "/api/v1/impact/weeks?commodity=bawang-merah&region=Jawa+Barat&limit=1")
    assert (newest["market_date"], older["market_date"]) == ("2026-11-20", "2026-11-19")
    assert newest["price_change"] == pytest.approx(0.10517, abs=1e-5)
    assert newest["impact_score"] == pytest.approx(50.0), "a move of the usual large size"
    assert newest["dominant_factor"] == "musim"
    assert (newest["directions"]["musim"], newest["directions"]["cuaca"]) == ("up", "down")
    assert newest["factors_with_weights"]["musim"] == pytest.approx(75.0)
    assert newest["unexplained_pct"] == pytest.approx(100 * 0.06 / 0.14)
    assert api.get("/api/v1/impact/weeks?commodity=bawang-merah&region=11").json()["items"] == []
    assert api.get("/api/v1/impact/weeks?commodity=batu").status_code == 404
