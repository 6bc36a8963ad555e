"""silver.shipments, silver.weather -> gold.routes: the routes with new deliveries are computed again.

Not in SQL: the heuristic that observed times are compared with is the one by which the API answers
(lakehouse.supply.route_time), and it stays one.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.contract import contracts
from lakehouse.io.delta import open_table
from lakehouse.supply.routes import route_row
from streaming_jobs.gold.driver import BatchJob, Change, News, by_keys

TABLE = "gold.routes"
DELIVERED = "silver.shipments"
COLUMNS = [
    *("event_id", "route_id", "origin", "origin_region_code", "destination", "destination_region_code"),
    *("commodity", "quantity_kg", "distance_km", "departed_at", "arrived_at", "travel_hours", "event_time"),
]


class Routes(BatchJob):
    """Follows the batches with deliveries."""

    name = "routes"
    tables = (TABLE,)
    kinds = ("shipment",)

    def compute(self, news: News) -> Iterable[Change]:
        """The rows of the routes with new deliveries."""
        delivered = news.of(DELIVERED).to_table(columns=["route_id"])
        return by_keys(news, contracts()[TABLE], delivered["route_id"].unique().to_pylist(), route_rows)


def route_rows(routes: list[str]) -> list[dict[str, Any]]:
    """The rows of these routes."""
    chosen = pc.field("route_id").isin(pa.array(routes, pa.string()))
    delivered = open_table(DELIVERED).to_pyarrow_dataset().to_table(columns=COLUMNS, filter=chosen)
    by_route: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in delivered.to_pylist():
        by_route[row["route_id"]].append(row)
    rain = rain_by_day()
    return [route_row(by_route[route], rain) for route in sorted(by_route)]


def rain_by_day() -> dict[tuple[str, date], float]:
    """(province code, local day) -> most rain of its stations, mm."""
    columns = ["region_code", "date", "rainfall_mm"]
    rows = open_table("silver.weather").to_pyarrow_dataset().to_table(columns=columns)
    daily = rows.group_by(["region_code", "date"]).aggregate([("rainfall_mm", "max")])
    return {
        (row["region_code"], row["date"]): row["rainfall_mm_max"]
        for row in daily.to_pylist()
        if row["rainfall_mm_max"] is not None
    }


JOB = Routes
