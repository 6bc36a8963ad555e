"""The market list and the newest sensor readings."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from serving_api.answers import Page, after, listed, page_of, plain
from serving_api.gold import Gold, Snapshot
from serving_api.names import known_market, region_code
from serving_api.paging import Key
from serving_api.routes.prices import simulated
from serving_api.shapes import Many, MarketRow, MarketsAsked, SensorRow, SensorsAsked, problems

router = APIRouter(tags=["markets"])
MARKET = ("market_id", "name", "level", "region", "latitude", "longitude", "timezone", "commodities", "last_event_time")
READING = ("market_id", "device_id_hash", "metric", "value", "event_time")


def market_rows(snapshot: Snapshot) -> list[tuple[Key, dict[str, Any], str]]:
    """(sort key, item, region code) by name."""
    assert snapshot.rows is not None
    rows = snapshot.rows.to_pylist()
    made = [((row["name"], row["market_id"]), {name: plain(row[name]) for name in MARKET}, row["region_code"]) for row in rows]
    return sorted(made, key=lambda row: row[0])


def reading_rows(snapshot: Snapshot) -> list[tuple[Key, dict[str, Any]]]:
    """(sort key, item), newest first."""
    assert snapshot.rows is not None
    made = [
        (
            (-row["event_time"].timestamp(), row["market_id"], row["device_id_hash"], row["metric"]),
            {name: plain(row[name]) for name in READING},
        )
        for row in snapshot.rows.to_pylist()
    ]
    return sorted(made, key=lambda row: row[0])


@router.get(
    "/api/public/market/list",
    response_model=Many[MarketRow],
    responses=problems(404, 410, 422),
    summary="Markets and what they report",
)
async def market_list(request: Request, query: Annotated[MarketsAsked, Query()]) -> Response:
    """Every listed market and every market that has reported, by name; `PROV-<code>` stands for a province-wide price."""
    gold: Gold = request.app.state.gold
    snapshot, live = gold["gold.markets"], gold["gold.live_prices"]

    def read(key: Key | None, limit: int) -> Page:
        code = region_code(query.region)
        rows = snapshot.cached("rows", lambda: market_rows(snapshot))
        wanted = [(k, item) for k, item, region in rows if code in (None, region)]
        return page_of(after(wanted, key), limit, simulated(live))

    return listed(request, [snapshot], query, read)


@router.get(
    "/api/v1/sensors/live", response_model=Many[SensorRow], responses=problems(404, 410, 422), summary="Newest sensor readings"
)
async def sensors_live(request: Request, query: Annotated[SensorsAsked, Query()]) -> Response:
    """The newest reading of each metric of each device, newest first; devices are named by a hash."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.sensors_live"]

    def read(key: Key | None, limit: int) -> Page:
        market = known_market(gold, query.market_id)
        rows = snapshot.cached("rows", lambda: reading_rows(snapshot))
        wanted = [(k, item) for k, item in rows if market in (None, item["market_id"]) and query.metric in (None, item["metric"])]
        return page_of(after(wanted, key), limit, simulated(snapshot))

    return listed(request, [snapshot], query, read)
