"""Early warning indicators of prices: IFPA, ALPS, gap to the reference price, dispersion."""

from typing import Annotated

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.names import commodity_ids, region_code, timezone_of
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import EncodedPage, encode_page
from serving_api.reads.snapshots import newest_of
from serving_api.reads.table_rows import listed_rows
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.indicators import IndicatorRow, IndicatorsQuery

router = APIRouter(prefix="/api/v1", tags=["indicators"])
TABLE = "gold.indicators"
LISTED = list(IndicatorRow.model_fields)
ORDER = (
    ("market_date", "descending"),
    ("commodity", "ascending"),
    ("region_code", "ascending"),
    ("level", "ascending"),
)
RETAIL = "retail"


@router.get(
    "/indicators",
    response_model=Page[IndicatorRow],
    responses=problems(404, 410, 422),
    summary="Indicators of retail prices, newest day first",
)
async def list_indicators(
    query: Annotated[IndicatorsQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Default: the 30 days that end with the newest market day of the table; `meta.range` names them."""

    def respond() -> Response:
        snapshot = snapshots.open_newest(TABLE)
        newest = newest_of(snapshot, "market_date")
        times = time_range(query.from_, query.to, newest, timezone_of(None, query.region))

        def read(key: Key | None, limit: int) -> EncodedPage:
            condition = rows_of(query) & days_of(times)
            rows = listed_rows(snapshot, condition, LISTED, ORDER, key, limit)
            return encode_page(rows, limit, lambda item: from_simulated(snapshots, [item["commodity"]]))

        return responses.page([snapshot], query, read, times=times)

    return await run_sync(respond)


def rows_of(query: IndicatorsQuery) -> pc.Expression:
    """Retail rows of the commodity and region. Raises Problem 404 for an unknown name."""
    condition = pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    condition &= pc.field("channel") == RETAIL
    if query.region is not None:
        condition &= pc.field("region_code") == region_code(query.region)
    return condition


def days_of(times: TimeRange) -> pc.Expression:
    """The market days of the range; the table holds days, so a time of a day counts as that day."""
    first = times.first_day or times.start.date()
    condition = pc.field("market_date") >= first
    if times.end is not None:
        condition &= pc.field("market_date") < (times.end_day or times.end.date())
    return condition
