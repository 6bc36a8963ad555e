"""What moved together with a price, and the macro indicators that weigh on it."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from lakehouse.impact import ELASTICITIES, MacroState, impact_of, macro_state, weekly_scale
from lakehouse.reference import commodities
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.keyset import next_rows
from serving_api.reads.names import region_of_market, single_commodity
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page
from serving_api.reads.snapshots import Snapshot
from serving_api.reads.table_rows import read_rows
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.impact import ImpactQuery, ImpactReport, MacroQuery, MacroRow

router = APIRouter(tags=["impact"])
FACTORS_TABLE = "gold.impact_factors"
MACRO_TABLE = "silver.macro"
MEAN_DAYS = 3 * 365  # of releases that inflation is compared with
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
        factors = snapshots.open_newest(FACTORS_TABLE)
        macro = snapshots.open_newest(MACRO_TABLE)
        row = newest_factors(factors, commodity, region)
        state = macro.cached("macro state", lambda: current_macro(macro))
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


def newest_factors(snapshot: Snapshot, commodity: str, region: str) -> dict[str, Any] | None:
    """The newest row of the commodity and province; None without one."""
    condition = (pc.field("commodity") == commodity) & (pc.field("region_code") == region)
    names = [field.name for field in snapshot.delta.schema().fields] if snapshot.delta else []
    rows = read_rows(snapshot, condition, names)
    if rows is None or not rows.num_rows:
        return None
    newest: dict[str, Any] = rows.sort_by([("market_date", "descending")]).slice(0, 1).to_pylist()[0]
    return newest


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


def current_macro(snapshot: Snapshot) -> MacroState:
    """Values and changes of the macro indicators at their newest release."""
    condition = pc.field("indicator").isin(list(ELASTICITIES)) & pc.field("value").is_valid()
    rows = read_rows(snapshot, condition, ["indicator", "released_at", "value"])
    if rows is None or not rows.num_rows:
        return macro_state({})
    since = pc.max(rows["released_at"]).as_py() - timedelta(days=MEAN_DAYS)
    recent = rows.filter(pc.greater_equal(rows["released_at"], pa.scalar(since, rows["released_at"].type)))
    released: dict[str, list[tuple[Any, float]]] = {}
    for row in recent.sort_by("released_at").to_pylist():
        released.setdefault(row["indicator"], []).append((row["released_at"], row["value"]))
    return macro_state(released)


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
        snapshot = snapshots.open_newest(MACRO_TABLE)
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
