"""Stocks and how long they last, transfers between provinces, and times on delivery routes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from conf.settings import settings
from lakehouse.reference import DEFAULT_TIMEZONE, province_timezone
from lakehouse.sentiment.daily import text_of
from lakehouse.supply.disasters import disaster_on
from lakehouse.supply.route_time import (
    DISASTERS,
    Conditions,
    base_hours,
    traffic_share,
    weather_share,
)
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.reads.names import NATION
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.envelope import Meta, Name, QueryParameters, Share

# Delay for an hour of driving from which the risk is higher.
MEDIUM_RISK = 0.25
HIGH_RISK = 0.75
Route = Mapping[str, Any]  # a row of gold.routes


HolderType = Literal["warehouse", "distributor", "farmer"]
CoverLevel = Literal["red", "amber", "green", "oversupply"]


router = Router(tags=["supply"])
STOCKS = "gold.stocks"
EntityInPath = Annotated[
    str, Path(min_length=1, max_length=64, description="id of the holder", examples=["GUDANG-01"])
]
ROUTE_COLUMNS = (
    *("route_id", "origin_region_code", "destination_region_code", "by_sea", "basis"),
    *("p50_hours_per_km", "p90_hours_per_km"),
)


def conditions_now(route: Route, weather: Snapshot, posts: Snapshot, now: datetime) -> Conditions:
    """What slows a delivery down that leaves now.

    Rain and posts count for supply.news_days; what is not known adds nothing.
    """
    codes = [code for code in (route["origin_region_code"], route["destination_region_code"]) if code]
    since = now - timedelta(days=settings().supply.news_days)
    timezone = province_timezone(route["origin_region_code"])
    disaster = disaster_on(route["route_id"], codes, recent_texts(posts, since))
    return Conditions(
        weather=weather_share(newest_rain(weather, codes, since)),
        traffic=traffic_share(now, timezone),
        disaster=DISASTERS[disaster],
        closed=disaster == "closed",
    )


def newest_rain(weather: Snapshot, codes: Sequence[str], since: datetime) -> float | None:
    """The most rain, mm a day, on the newest measured day since then in the provinces; None without any."""
    day = since.astimezone(ZoneInfo(DEFAULT_TIMEZONE)).date()
    condition = pc.field("region_code").isin(pa.array(codes, pa.string())) & (pc.field("date") >= day)
    measured = weather.read(condition & pc.field("rainfall_mm").is_valid(), ["date", "rainfall_mm"])
    newest = measured.filter(pc.equal(measured["date"], pc.max(measured["date"])))
    rain: float | None = pc.max(newest["rainfall_mm"]).as_py()
    return rain


def recent_texts(posts: Snapshot, since: datetime) -> list[str]:
    """The texts of posts since then."""
    return [
        text_of(row) for row in posts.read(pc.field("event_time") >= since, ["title", "content"]).to_pylist()
    ]


def route_report(route: Route | None, distance_km: float, now_on_route: Conditions) -> dict[str, Any]:
    """The fields of the answer; an unknown route is judged by its distance alone."""
    base = base_hours(distance_km, bool(route and route["by_sea"]))
    observed = route is not None and route["basis"] == "observed"
    total = base * (1 + now_on_route.slowdown)
    if route is not None and observed:
        total = max(base, route["p50_hours_per_km"] * distance_km)
    delay = total - base
    return {
        "distance_km": distance_km,
        "base_hours": base,
        "delay_hours": None if now_on_route.closed else delay,
        "total_hours": None if now_on_route.closed else total,
        "p90_hours": route["p90_hours_per_km"] * distance_km if route is not None and observed else None,
        "basis": "observed" if observed else "heuristic",
        "factors": {
            "weather": now_on_route.weather,
            "traffic": now_on_route.traffic,
            "disaster": now_on_route.disaster,
        },
        "risk": risk(delay / base, now_on_route.closed),
    }


def risk(slowdown: float, closed: bool) -> str:
    """low, medium or high, by the hours of delay for an hour of driving."""
    if closed or slowdown >= HIGH_RISK:
        return "high"
    return "medium" if slowdown >= MEDIUM_RISK else "low"


class HeldStock(BaseModel):
    """What a holder has of one commodity."""

    commodity: str
    quantity_kg: float = Field(ge=0)
    capacity_kg: float | None
    days_of_cover: float | None = Field(
        ge=0, description="stock divided by the mean daily outflow; null without an outflow"
    )
    cover_level: CoverLevel | None = Field(description="red, amber, green or oversupply")
    outflow_basis: Literal["shipments", "depletion"] | None = Field(
        description="what the outflow is measured by: deliveries, or the fall of the stock"
    )
    residual_pct: float | None = Field(
        description="percent of the stock that its deliveries do not explain; below zero: loss"
    )
    event_time: datetime


class HolderStocks(BaseModel):
    """The newest stocks of a warehouse, distributor or farmer."""

    entity_id: str
    entity_type: HolderType
    region: str = Field(description="province; Indonesia when no report names one")
    stocks: list[HeldStock]
    meta: Meta


class RouteQuery(QueryParameters):
    """Parameters of the analysis of a route."""

    route_id: Name = Field(description="the route, as deliveries name it", examples=["R-BREBES-JKT"])
    distance_km: float = Field(
        ge=0.001, le=10000, allow_inf_nan=False, description="length of the way", examples=[280]
    )


class RouteFactors(BaseModel):
    """Shares of the driving time that are added."""

    weather: Share = Field(description="by the class of yesterday's and today's rain on both ends")
    traffic: Share = Field(description="by the hour at the origin, and the weeks around Idul Fitri")
    disaster: Share = Field(description="by posts of the last days: flood, landslide, closed road")


class RouteReport(BaseModel):
    """Expected time on a route if a delivery left now."""

    route_id: str
    distance_km: float
    base_hours: float = Field(gt=0, description="without any delay")
    delay_hours: float | None = Field(ge=0, description="null: the road is closed")
    total_hours: float | None = Field(gt=0, description="null: the road is closed")
    p90_hours: float | None = Field(
        gt=0, description="nine of ten observed deliveries took less; null for the heuristic"
    )
    basis: Literal["heuristic", "observed"] = Field(
        description="observed: quantiles of at least 50 deliveries that beat the heuristic, "
        "whose numbers are assumptions"
    )
    factors: RouteFactors
    risk: Literal["low", "medium", "high"]
    meta: Meta


@router.get(
    "/api/supply/stock/{entity_id}",
    response_model=HolderStocks,
    summary="Stocks of one holder",
)
def holder_stocks(entity_id: EntityInPath, responses: CurrentResponses) -> Response:
    """The newest stock of each commodity, how long it lasts, and what its deliveries do not explain."""
    snapshot = responses.snapshots.open_newest(STOCKS)
    columns = ["entity_type", "region", *HeldStock.model_fields]
    rows = snapshot.read(pc.field("entity_id") == entity_id, columns)
    held = rows.sort_by("commodity").to_pylist()
    if not held:
        raise Problem("unknown-entity", name=entity_id)
    newest = max(held, key=lambda row: row["event_time"])
    stocks = [{name: to_json_value(row[name]) for name in HeldStock.model_fields} for row in held]
    item = {"entity_id": entity_id, "entity_type": newest["entity_type"]}
    return responses.item([snapshot], {**item, "region": newest["region"] or NATION[1], "stocks": stocks})


@router.get(
    "/api/supply/route/analyze", response_model=RouteReport, summary="Expected time on a delivery route"
)
def analyze_route(query: Annotated[RouteQuery, Query()], responses: CurrentResponses) -> Response:
    """The time that a delivery would take if it left now.

    A route without deliveries is judged by its distance alone.
    """
    names = ("gold.routes", "silver.weather", "silver.posts")
    opened = [responses.snapshots.open_newest(name) for name in names]
    routes, weather, posts = opened
    route = routes.first_row(pc.field("route_id") == query.route_id, ROUTE_COLUMNS)
    now = conditions_now(route, weather, posts, datetime.now(UTC)) if route else Conditions()
    item = {"route_id": query.route_id, **route_report(route, query.distance_km, now)}
    return responses.item(opened if route else [routes], item, variant=str(now))
