"""Stocks and how long they last, transfers between provinces, and times on delivery routes."""

from datetime import UTC, datetime
from typing import Annotated, Any

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import Path, Query, Response

from lakehouse.supply.route_time import Conditions
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.names import NATION
from serving_api.reads.responses import CurrentResponses, to_json_value
from serving_api.reads.route_conditions import conditions_now, route_report
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.table_rows import first_row, read_rows
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.supply import (
    HeldStock,
    HolderStocks,
    RouteQuery,
    RouteReport,
)

router = Router(tags=["supply"])
STOCKS = "gold.stocks"
EntityInPath = Annotated[
    str, Path(min_length=1, max_length=64, description="id of the holder", examples=["GUDANG-01"])
]
ROUTE_COLUMNS = (
    *("route_id", "origin_region_code", "destination_region_code", "by_sea", "basis"),
    *("p50_hours_per_km", "p90_hours_per_km"),
)


@router.get(
    "/api/supply/stock/{entity_id}",
    response_model=HolderStocks,
    responses=problems(404),
    summary="Stocks of one holder",
)
async def holder_stocks(
    entity_id: EntityInPath, snapshots: Shared[Snapshots], responses: CurrentResponses
) -> Response:
    """The newest stock of each commodity, how long it lasts, and what its deliveries do not explain."""

    def respond() -> Response:
        snapshot = snapshots.open_newest(STOCKS)
        columns = ["entity_type", "region", *HeldStock.model_fields]
        rows = read_rows(snapshot, pc.field("entity_id") == entity_id, columns)
        held = rows.sort_by("commodity").to_pylist() if rows is not None else []
        if not held:
            raise Problem("unknown-entity", name=entity_id)
        newest = max(held, key=lambda row: row["event_time"])
        stocks = [{name: to_json_value(row[name]) for name in HeldStock.model_fields} for row in held]
        item = {"entity_id": entity_id, "entity_type": newest["entity_type"]}
        return responses.item([snapshot], {**item, "region": place_of(newest), "stocks": stocks})

    return await run_sync(respond)


@router.get(
    "/api/supply/route/analyze", response_model=RouteReport, summary="Expected time on a delivery route"
)
async def analyze_route(
    query: Annotated[RouteQuery, Query()], snapshots: Shared[Snapshots], responses: CurrentResponses
) -> Response:
    """The time that a delivery would take if it left now.

    A route without deliveries is judged by its distance alone.
    """

    def respond() -> Response:
        opened = [snapshots.open_newest(table) for table in ("gold.routes", "silver.weather", "silver.posts")]
        routes, weather, posts = opened
        route = first_row(routes, pc.field("route_id") == query.route_id, ROUTE_COLUMNS)
        now = conditions_now(route, weather, posts, datetime.now(UTC)) if route else Conditions()
        item = {"route_id": query.route_id, **route_report(route, query.distance_km, now)}
        return responses.item(opened if route else [routes], item, variant=str(now))

    return await run_sync(respond)


def place_of(row: dict[str, Any]) -> str:
    """The province of a holder; the nation when no report names one."""
    region: str = row["region"] or NATION[1]
    return region
