"""Deliveries of a route -> its row of gold.routes."""

from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.reference import DEFAULT_TIMEZONE, provinces
from lakehouse.supply.route_time import (
    Conditions,
    Journey,
    ObservedTimes,
    largest_rain,
    observed_times,
    traffic_share,
    weather_share,
)

Delivery = Mapping[str, Any]  # a row of silver.shipments
Rain = Mapping[tuple[str, date], float]  # (province code, local day) -> mm


def single_deliveries(rows: Sequence[Delivery]) -> list[Delivery]:
    """Each delivery once, oldest first; its report of arrival where there is one.

    A delivery is reported under way and again when it has arrived, with the same departure.
    """
    by_key: dict[tuple[Any, ...], Delivery] = {}
    for row in sorted(
        rows, key=lambda row: (row["arrived_at"] is not None, row["event_time"], row["event_id"])
    ):
        identity = row["departed_at"] or row["event_id"]
        by_key[row["origin"], row["destination"], row["commodity"], identity] = row
    return sorted(by_key.values(), key=lambda row: (row["event_time"], row["event_id"]))


def route_row(rows: Sequence[Delivery], rain: Rain) -> dict[str, Any]:
    """The row of one route from all reports of its deliveries (at least one)."""
    deliveries = single_deliveries(rows)
    newest = deliveries[-1]
    codes = (newest["origin_region_code"], newest["destination_region_code"])
    by_sea = crosses_sea(*codes)
    arrived = [row for row in deliveries if (row["travel_hours"] or 0) > 0 and row["distance_km"]]
    journeys = [journey(row, rain, by_sea) for row in arrived]
    distances = [row["distance_km"] for row in deliveries if row["distance_km"]]
    times = observed_times(journeys)
    return {
        **{name: newest[name] for name in ("route_id", "origin", "destination")},
        "origin_region_code": codes[0],
        "destination_region_code": codes[1],
        "by_sea": by_sea,
        "deliveries": len(deliveries),
        "arrived": len(arrived),
        "distance_km": median(distances) if distances else None,
        "median_hours": median(journey.hours for journey in journeys) if journeys else None,
        **figures(times),
        "basis": "observed" if times and times.serves else "heuristic",
        "event_time": max(row["event_time"] for row in rows),
    }


def figures(times: ObservedTimes | None) -> dict[str, float | None]:
    """The columns of the observed times; null without them."""
    columns = {
        "p50_hours_per_km": "p50_hours_per_km",
        "p90_hours_per_km": "p90_hours_per_km",
        "observed_mae_hours": "mae",
        "heuristic_mae_hours": "heuristic_mae",
        "baseline_mae_hours": "baseline_mae",
        "p90_coverage": "p90_coverage",
    }
    return {name: getattr(times, field) if times else None for name, field in columns.items()}


def journey(row: Delivery, rain: Rain, by_sea: bool) -> Journey:
    """An arrived delivery with the rain and traffic of its departure."""
    codes = (row["origin_region_code"], row["destination_region_code"])
    timezone = timezone_of_origin(codes[0])
    day = row["departed_at"].astimezone(ZoneInfo(timezone)).date()
    conditions = Conditions(
        weather=weather_share(largest_rain(rain, codes, day)),
        traffic=traffic_share(row["departed_at"], timezone),
    )
    return Journey(row["travel_hours"], row["distance_km"], conditions, by_sea)


def timezone_of_origin(code: str | None) -> str:
    """The time zone of a province, Jakarta's for a place that is not listed."""
    province = provinces().get(code or "")
    return province.timezone if province else DEFAULT_TIMEZONE


def crosses_sea(origin: str | None, destination: str | None) -> bool:
    """Whether the provinces lie on different island groups, which the first digit of their code names."""
    return origin is not None and destination is not None and origin[0] != destination[0]
