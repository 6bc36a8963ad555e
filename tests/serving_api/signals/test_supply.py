"""Stocks, transfers and routes over HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.api_lake import write
from tests.support.api import Api, new_stack, pages
from tests.support.served_lake import NOW


def stock(entity: str, commodity: str, minutes: int, **more: Any) -> dict[str, Any]:
    """A row of gold.stocks."""
    return {
        "entity_id": entity,
        "entity_type": "warehouse",
        "commodity": commodity,
        "region_code": "32",
        "region": "Jawa Barat",
        "quantity_kg": 1200.0,
        "outflow_kg": 600.0,
        "outflow_basis": "shipments",
        "days_of_cover": 2.0,
        "cover_level": "red",
        "market_date": NOW.date(),
        "event_time": NOW - timedelta(minutes=minutes),
        **more,
    }


def route(route_id: str, **more: Any) -> dict[str, Any]:
    """A row of gold.routes."""
    return {
        "route_id": route_id,
        "origin": "Gudang",
        "origin_region_code": "32",
        "destination": "Pasar",
        "destination_region_code": "31",
        "by_sea": False,
        "deliveries": 60,
        "arrived": 60,
        "basis": "heuristic",
        "event_time": NOW,
        **more,
    }


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(Path(tmp_path_factory.mktemp("supply")))
    stocks = [
        stock("GUDANG-1", "bawang-merah", 1),
        stock("GUDANG-1", "beras-medium", 2, days_of_cover=None, cover_level=None),
        stock("TANI-1", "cabai-rawit-merah", 3, entity_type="farmer", region=None, region_code=None),
    ]
    write(stack.lake_root, "gold.stocks", stocks)
    observed = {"basis": "observed", "p50_hours_per_km": 0.05, "p90_hours_per_km": 0.08}
    nowhere = {"origin_region_code": None, "destination_region_code": None}
    routes = [route("R-1"), route("R-2", **observed), route("R-3"), route("R-4", **nowhere)]
    write(stack.lake_root, "gold.routes", routes)
    rain = {"event_id": "w", "station_id": "S", "region_code": "32", "date": NOW.date(), "rainfall_mm": 60.0}
    write(stack.lake_root, "silver.weather", [{**rain, "event_time": NOW, "event_month": f"{NOW:%Y-%m}"}])
    post = {
        "event_id": "p",
        "content": "R-3: jalan ditutup",
        "event_time": NOW,
        "event_month": f"{NOW:%Y-%m}",
    }
    write(stack.lake_root, "silver.posts", [post])
    transfer = {
        "commodity": "bawang-merah",
        "to_region_code": "31",
        "to_region": "DKI Jakarta",
        "to_cover_days": 2.0,
        "from_region_code": "32",
        "from_region": "Jawa Barat",
        "from_cover_days": 20.0,
        "distance_km": 120.0,
        "quantity_kg": 500.0,
        "as_of": NOW,
    }
    write(stack.lake_root, "gold.supply_transfers", [transfer])
    running = Api(stack)
    yield running
    running.stop()


def test_stocks_of_a_holder(api: Api) -> None:
    answer = api.get("/api/supply/stock/GUDANG-1").json()
    assert (answer["entity_type"], answer["region"]) == ("warehouse", "Jawa Barat")
    covers = {held["commodity"]: held["days_of_cover"] for held in answer["stocks"]}
    assert covers == {"bawang-merah": 2.0, "beras-medium": None}
    assert answer["meta"]["delta_version"] == {"gold.stocks": 0}
    assert api.get("/api/supply/stock/NOBODY").json()["type"] == "/problems/unknown-entity"


@pytest.mark.parametrize(
    ("query", "holders"),
    [
        ("limit=1", ["GUDANG-1", "GUDANG-1", "TANI-1"]),
        ("commodity=cabai", ["TANI-1"]),
        ("region=32&cover_level=red", ["GUDANG-1"]),
        ("entity_type=farmer", ["TANI-1"]),
        ("region=Aceh", []),
    ],
)
def test_stocks_are_listed_newest_first(api: Api, query: str, holders: list[str]) -> None:
    assert [item["entity_id"] for item in pages(api, f"/api/v1/supply/stock?{query}")] == holders


def test_holder_without_a_province_is_in_the_nation(api: Api) -> None:
    assert api.get("/api/supply/stock/TANI-1").json()["region"] == "Indonesia"
    assert [item["region"] for item in pages(api, "/api/v1/supply/stock?entity_type=farmer")] == ["Indonesia"]


def test_route_without_provinces_has_no_weather(api: Api) -> None:
    answer = api.get("/api/supply/route/analyze?distance_km=120&route_id=R-4").json()
    assert answer["factors"]["weather"] == 0.0


def test_transfers_are_listed(api: Api) -> None:
    assert [item["quantity_kg"] for item in pages(api, "/api/v1/supply/transfers?region=31")] == [500.0]
    assert pages(api, "/api/v1/supply/transfers?region=32") == []


def test_route_by_heuristic_by_observation_and_closed(api: Api) -> None:
    address = "/api/supply/route/analyze?distance_km=120&route_id="
    heuristic = api.get(f"{address}R-1").json()
    factors = heuristic["factors"]
    assert (heuristic["base_hours"], heuristic["basis"], factors["weather"]) == (3.0, "heuristic", 0.25)
    slowdown = (1 + factors["weather"]) * (1 + factors["traffic"]) - 1
    assert heuristic["delay_hours"] == pytest.approx(3.0 * slowdown)
    observed = api.get(f"{address}R-2").json()
    assert (observed["basis"], observed["total_hours"], observed["p90_hours"]) == ("observed", 6.0, 9.6)
    closed = api.get(f"{address}R-3").json()
    assert (closed["total_hours"], closed["delay_hours"], closed["risk"]) == (None, None, "high")
    unknown = api.get(f"{address}elsewhere").json()
    assert (unknown["delay_hours"], unknown["risk"]) == (0.0, "low")
    assert set(unknown["factors"].values()) == {0.0}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/supply/route/analyze?route_id=R-1", 422),
        ("/api/supply/route/analyze?route_id=R-1&distance_km=0", 422),
        ("/api/supply/route/analyze?route_id=R-1&distance_km=10001", 422),
        ("/api/supply/route/analyze?route_id=R-1&distance_km=nan", 422),
        ("/api/v1/supply/stock?commodity=unobtainium", 404),
        ("/api/v1/supply/stock?cover_level=blue", 422),
        ("/api/v1/supply/transfers?region=Atlantis", 404),
    ],
)
def test_wrong_queries_are_refused(api: Api, path: str, status: int) -> None:
    assert api.get(path).status_code == status
