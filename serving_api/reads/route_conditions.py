"""Rain, traffic and disasters on a route now, and the time that a delivery would take."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.reference import DEFAULT_TIMEZONE
from lakehouse.sentiment.daily import text_of
from lakehouse.supply.disasters import disaster_on
from lakehouse.supply.route_time import DISASTERS, Conditions, base_hours, traffic_share, weather_share
from lakehouse.supply.routes import timezone_of_origin
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.table_rows import read_rows

# Delay for an hour of driving from which the risk is higher.
MEDIUM_RISK = 0.25
HIGH_RISK = 0.75
Route = Mapping[str, Any]  # a row of gold.routes


def conditions_now(route: Route, weather: Snapshot, posts: Snapshot, now: datetime) -> Conditions:
    """What slows a delivery down that leaves now.

    Rain and posts count for supply.news_days; what is not known adds nothing.
    """
    codes = [code for code in (route["origin_region_code"], route["destination_region_code"]) if code]
    since = now - timedelta(days=settings().supply.news_days)
    timezone = timezone_of_origin(route["origin_region_code"])
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
    rows = read_rows(weather, condition, ["date", "rainfall_mm"])
    measured = rows.filter(pc.is_valid(rows["rainfall_mm"])) if rows is not None else None
    if measured is None or not measured.num_rows:
        return None
    newest = measured.filter(pc.equal(measured["date"], pc.max(measured["date"])))
    rain: float = pc.max(newest["rainfall_mm"]).as_py()
    return rain


def recent_texts(posts: Snapshot, since: datetime) -> list[str]:
    """The texts of posts since then."""
    rows = read_rows(posts, pc.field("event_time") >= since, ["title", "content"])
    return [text_of(row) for row in rows.to_pylist()] if rows is not None else []


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
