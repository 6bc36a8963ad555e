"""What moved together with a price, and the macro indicators that weigh on it."""

import math
from datetime import UTC, datetime, time
from typing import Annotated, Any

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from lakehouse.impact import (
    ELASTICITIES,
    FACTORS,
    attribution,
    impact_of,
    impact_score,
    weekly_scale,
)
from lakehouse.reference import commodities
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.keyset import next_rows
from serving_api.reads.names import region_code, region_of_market, single_commodity
from serving_api.reads.price_impacts import FACTORS_TABLE, MACRO_TABLE, current_macro, newest_factors
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.table_rows import read_rows
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.impact import (
    ImpactQuery,
    ImpactReport,
    ImpactWeek,
    ImpactWeeksQuery,
    MacroQuery,
    MacroRow,
)

router = APIRouter(tags=["impact"])
WEEK_COLUMNS = (
    "commodity",
    "region_code",
    "region",
    "market_date",
    "change",
    "scale",
    *FACTORS,
    "unavailable",
)
WEEK_ORDER = (("market_date", "descending"), ("region_code", "ascending"))
MACRO_COLUMNS = ("indicator", "period", "value", "unit", "publisher", "source", "released_at", "event_id")


@router.get(
    "/api/public/impact",
    response_model=ImpactReport,
    responses=problems(404, 422),
    summary="Size of a price move, and what moved together with it",
)
async def impact(
    query: Annotated[ImpactQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The factors are those of the newest measured week of the commodity in the market's province.

    An association, not a cause. `unexplained_pct` is what the factors leave.
    """

    def respond() -> Response:
        commodity = single_commodity(query.commodity)
        region = region_of_market(snapshots, query.market_id)
        factors = snapshots[FACTORS_TABLE]
        macro = snapshots[MACRO_TABLE]
        row = newest_factors(factors).get((commodity, region))
        state = current_macro(macro)
        typical = weekly_scale(commodities()[commodity].daily_volatility)
        item = {
            "commodity": commodity,
            "market_id": query.market_id,
            **impact_of(query.prev_price, query.new_price, row, typical, state),
        }
        demo = from_simulated(snapshots, [commodity])
        as_of = datetime.combine(row["market_date"], time(), UTC) if row else None
        return responses.item([factors, macro], item, demo=demo, model=model_of(row), as_of=as_of)

    return await run_sync(respond)


@router.get(
    "/api/v1/impact/weeks",
    response_model=Page[ImpactWeek],
    responses=problems(404, 410, 422),
    summary="Weekly moves of a price and what moved together with them",
)
async def list_impact_weeks(
    query: Annotated[ImpactWeeksQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The last 28 market days of each province, newest first; no fit has seen them."""
    snapshot = snapshots[FACTORS_TABLE]

    def read(key: Key | None, limit: int) -> EncodedPage:
        commodity = single_commodity(query.commodity)
        condition = pc.field("commodity") == commodity
        if code := region_code(query.region):
            condition &= pc.field("region_code") == code
        rows = read_rows(snapshot, condition, WEEK_COLUMNS)
        listed = next_rows(rows, WEEK_ORDER, key, limit + 1) if rows is not None else []
        simulated = from_simulated(snapshots, [commodity])
        return encode_page(
            [(sort_key, week_item(row)) for sort_key, row in listed], limit, lambda item: simulated
        )

    return await run_sync(lambda: responses.page([snapshot], query, read))


def week_item(row: dict[str, Any]) -> dict[str, Any]:
    """A row of gold.impact_factors as an item."""
    shared = attribution(row["change"], {name: row[name] for name in FACTORS})
    return {
        "commodity": row["commodity"],
        "region": row["region"],
        "market_date": to_json_value(row["market_date"]),
        "price_change": math.exp(row["change"]) - 1,
        "impact_score": impact_score(row["change"], row["scale"], 1.0),
        "dominant_factor": shared.dominant,
        "factors_with_weights": shared.weights,
        "directions": shared.directions,
        "unexplained_pct": shared.unexplained_pct,
        "unavailable": list(row["unavailable"]),
    }


def model_of(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """`meta.model` of a measured row."""
    if row is None:
        return None
    return {
        "name": "impact-ridge",
        "version": row["measured_at"].isoformat(),
        "run_id": "none",
        "alias": "champion",
        "trained_on": {"gold.daily_prices": row["prices_version"]},
    }


@router.get(
    "/api/v1/macro",
    response_model=Page[MacroRow],
    responses=problems(410, 422),
    summary="Macro indicators, newest release first",
)
async def list_macro(
    query: Annotated[MacroQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Values by the time of their release; a revision is a row of its own.

    Default: the 30 days that end with the newest release; `meta.range` names them.
    """

    def respond() -> Response:
        snapshot = snapshots[MACRO_TABLE]
        newest = snapshot.cached("newest release", lambda: (newest_release(snapshot),))[0]
        times = time_range(query.from_, query.to, newest)

        def read(key: Key | None, limit: int) -> EncodedPage:
            return encode_page(macro_rows(snapshot, query, times, key, limit), limit)

        return responses.page([snapshot], query, read, times=times)

    return await run_sync(respond)


def newest_release(snapshot: Snapshot) -> Any:
    """Time of the newest release; None for an empty table."""
    rows = read_rows(snapshot, pc.field("indicator").isin(list(ELASTICITIES)), ["released_at"])
    return pc.max(rows["released_at"]).as_py() if rows is not None else None


def macro_rows(
    snapshot: Snapshot, query: MacroQuery, times: TimeRange, key: Key | None, limit: int
) -> list[KeyedItem]:
    """Up to limit + 1 (sort key, item) after `key`; values that were not measured are left out."""
    wanted = [query.indicator] if query.indicator else list(ELASTICITIES)
    condition = pc.field("indicator").isin(wanted) & pc.field("value").is_valid()
    condition &= pc.field("released_at") >= times.start
    if times.end is not None:
        condition &= pc.field("released_at") < times.end
    rows = read_rows(snapshot, condition, MACRO_COLUMNS)
    if rows is None:
        return []
    order = (("released_at", "descending"), ("indicator", "ascending"), ("event_id", "ascending"))
    return [
        (
            sort_key,
            {
                **{name: row[name] for name in ("indicator", "period", "value", "unit")},
                "source": row["publisher"] or row["source"],
            },
        )
        for sort_key, row in next_rows(rows, order, key, limit + 1)
    ]
