"""silver.shipments, silver.weather -> gold.routes: routes with new deliveries or rain are computed again."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.dataset as ds

from lakehouse.io.query import run_sql
from lakehouse.reference import province_timezone
from lakehouse.supply.route_time import (
    Conditions,
    crosses_sea,
    heuristic_hours,
    largest_rain,
    traffic_share,
    weather_share,
)
from streaming_jobs.gold.contract_sql import SqlJob
from streaming_jobs.gold.driver import Views

TABLE = "gold.routes"
DELIVERED = "silver.shipments"
COLUMNS = ["event_id", "origin_region_code", "destination_region_code", "distance_km", "departed_at"]
HEURISTIC = pa.schema({"event_id": pa.string(), "by_sea": pa.bool_(), "heuristic_hours": pa.float64()})
Rain = Mapping[tuple[str, date], float]  # (province code, local day) -> mm


class Routes(SqlJob):
    """The contract's SQL over deliveries, and the hours that the API's heuristic would have given them."""

    def __init__(self) -> None:
        super().__init__(TABLE)

    def prepared(self, rows_of: Callable[[str], ds.Dataset]) -> Views:
        """The view `heuristic`, by event id of the deliveries; no hours where departure or distance lack."""
        rain = rain_by_day(rows_of("silver.weather"))
        rows = rows_of(DELIVERED).to_table(columns=COLUMNS).to_pylist()
        return {"heuristic": pa.Table.from_pylist([heuristic_row(row, rain) for row in rows], HEURISTIC)}


def heuristic_row(delivery: Mapping[str, Any], rain: Rain) -> dict[str, Any]:
    """What the heuristic gives with the rain and traffic of the departure."""
    codes = (delivery["origin_region_code"], delivery["destination_region_code"])
    by_sea = crosses_sea(*codes)
    departed = delivery["departed_at"]
    hours = None
    if departed and delivery["distance_km"]:
        timezone = province_timezone(codes[0])
        day = departed.astimezone(ZoneInfo(timezone)).date()
        conditions = Conditions(
            weather=weather_share(largest_rain(rain, codes, day)), traffic=traffic_share(departed, timezone)
        )
        hours = heuristic_hours(delivery["distance_km"], conditions, by_sea)
    return {"event_id": delivery["event_id"], "by_sea": by_sea, "heuristic_hours": hours}


def rain_by_day(weather: ds.Dataset) -> dict[tuple[str, date], float]:
    """(province code, local day) -> most rain of its stations, mm."""
    sql = "select region_code, date, max(rainfall_mm) as mm from weather group by all having mm is not null"
    rows = run_sql(sql, {"weather": weather}).to_pylist()
    return {(row["region_code"], row["date"]): row["mm"] for row in rows}


JOB = Routes
