"""Early warning indicators of prices: IFPA, ALPS, gap to the reference price, dispersion."""

from typing import Annotated

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.dashboard.daily_figures import Figures, figures_of
from serving_api.reads.keyset import next_rows
from serving_api.reads.names import commodity_ids, region_code, timezone_of
from serving_api.reads.provenance import from_simulated
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page, to_json_value
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.signals.indicators import IndicatorRow, IndicatorsQuery

router = APIRouter(prefix="/api/v1", tags=["indicators"])
LISTED = list(IndicatorRow.model_fields)
ORDER = (
    ("market_date", "descending"),
    ("commodity", "ascending"),
    ("region_code", "ascending"),
    ("level", "ascending"),
)


@router.get(
    "/indicators",
    response_model=Page[IndicatorRow],
    responses=problems(404, 410, 422),
    summary="Indicators of retail prices, newest day first",
)
async def list_indicators(
    query: Annotated[IndicatorsQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Default: the 30 days that end with the newest market day of the table; `meta.range` names them.

    `date`: as they were known at the close of that day.
    """

    def respond() -> Response:
        read_ids = commodity_ids(query.commodity) if query.known_on else None
        figures = figures_of(snapshots, query.known_on, read_ids)
        times = time_range(query.from_, query.to, figures.newest_day(), timezone_of(None, query.region))

        def read(key: Key | None, limit: int) -> EncodedPage:
            rows = listed_rows(figures, query, times, key, limit)
            return encode_page(rows, limit, lambda item: from_simulated(snapshots, [item["commodity"]]))

        return responses.page(figures.snapshots, query, read, times=times)

    return await run_sync(respond)


def listed_rows(
    figures: Figures, query: IndicatorsQuery, times: TimeRange, key: Key | None, limit: int
) -> list[KeyedItem]:
    """Up to limit + 1 rows of the commodity and the region after `key`.

    Raises Problem 404 for an unknown name.
    """
    ids = commodity_ids(query.commodity)
    condition = days_of(times)
    if query.region is not None:
        condition &= pc.field("region_code") == region_code(query.region)
    needed = dict.fromkeys([*LISTED, *(name for name, _ in ORDER)])
    rows = figures.rows(condition, list(needed), ids)
    return [
        (sort_key, {name: to_json_value(row[name]) for name in LISTED})
        for sort_key, row in next_rows(rows, ORDER, key, limit + 1)
    ]


def days_of(times: TimeRange) -> pc.Expression:
    """The market days of the range; the table holds days, so a time of a day counts as that day."""
    first = times.first_day or times.start.date()
    condition = pc.field("market_date") >= first
    if times.end is not None:
        condition &= pc.field("market_date") < (times.end_day or times.end.date())
    return condition
