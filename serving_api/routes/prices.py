"""Live prices and price history."""

import csv
import io
from datetime import date, timedelta
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from lakehouse.strange_text import spreadsheet_text
from serving_api.http.cursors import Key, TimeRange, filters_of, time_range
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.http.problems import Problem
from serving_api.http.request_checks import prefers, require_acceptable
from serving_api.reads.keyset import next_rows
from serving_api.reads.live_prices import is_simulated, live_rows, live_table, of_place
from serving_api.reads.names import commodity_ids, region_code, require_market_in_region, timezone_of
from serving_api.reads.price_impacts import PriceImpacts
from serving_api.reads.provenance import SIMULATED
from serving_api.reads.responses import (
    PUBLIC,
    EncodedPage,
    KeyedItem,
    Responses,
    encode_page,
    etag_of,
    not_modified,
    rows_after,
    to_json_value,
)
from serving_api.reads.snapshots import Snapshot, Snapshots, newest_of
from serving_api.schemas.envelope import Page
from serving_api.schemas.prices import (
    HistoryPrice,
    LivePrice,
    LivePricesQuery,
    PriceHistoryQuery,
)
from serving_api.schemas.problem import problems

router = APIRouter(prefix="/api/public/commodity/price", tags=["prices"])
HISTORY = tuple(HistoryPrice.model_fields)
STORED = tuple(name for name in HISTORY if name != "level")  # it follows from the market id
PROVINCE_WIDE = "PROV-"
CSV = "text/csv"
CSV_CONTENT = {CSV: {"schema": {"type": "string"}, "example": ",".join(HISTORY) + "\r\n"}}
# Months come in this order too.
ORDER = (("market_date", "descending"), ("event_time", "descending"), ("event_id", "ascending"))


@router.get(
    "/live",
    response_model=Page[LivePrice],
    responses=problems(404, 410, 422),
    summary="Newest valid prices",
)
async def list_live_prices(
    query: Annotated[LivePricesQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The newest valid price of each market and commodity; for a group, of its members."""
    snapshot = snapshots["gold.live_prices"]
    impacts = PriceImpacts(snapshots) if query.known_on is None else None
    variant = impacts.version if impacts else None

    def read(key: Key | None, limit: int) -> EncodedPage:
        ids = commodity_ids(query.commodity) if query.commodity else None
        code = region_code(query.region)
        day = query.known_on
        rows = snapshot.cached(
            ("rows", query.sort, day, variant, ids, code),
            lambda: live_rows(live_table(snapshots, day), query.sort, impacts, of_place(ids, code)),
        )
        return encode_page(rows_after(rows, key), limit, is_simulated(snapshot))

    return await run_sync(lambda: responses.page([snapshot], query, read, variant=variant))


@router.get(
    "/history",
    response_model=Page[HistoryPrice],
    responses={200: {"content": CSV_CONTENT}, **problems(404, 410, 422)},
    summary="Accepted prices over time",
)
async def list_price_history(
    query: Annotated[PriceHistoryQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Accepted prices of a commodity in [from, to), newest market day first.

    A date is a market day in the time zone of each market, a time the same moment everywhere. Default: the 30
    days that end with the newest market day of these prices; `meta.range` names them. `format=csv`, or
    `Accept: text/csv`, returns a file.
    """
    snapshot = snapshots["gold.price_history"]
    zone = timezone_of(query.market_id, query.region)
    newest = None if query.from_ or query.to else newest_day(snapshots, query)
    times = time_range(query.from_, query.to, newest, zone)
    as_csv = query.format == "csv" or (query.format is None and prefers(responses.request, CSV))

    def read(key: Key | None, limit: int) -> EncodedPage:
        require_market_in_region(snapshots, query.market_id, query.region)
        rows = history_rows(snapshot, query, times, key, limit)
        return encode_page(rows, limit, lambda item: item["event_id"].startswith(SIMULATED))

    def respond() -> Response:
        if as_csv:
            return csv_response(responses, snapshots, query, times)
        return responses.page([snapshot], query, read, times=times)

    response = await run_sync(respond)
    response.headers["Vary"] = "Accept"
    return response


def csv_response(
    responses: Responses, snapshots: Snapshots, query: PriceHistoryQuery, times: TimeRange
) -> Response:
    """The same columns as text/csv; the Link header names the next page."""
    request = responses.request
    snapshot = snapshots["gold.price_history"]
    require_acceptable(request, CSV)
    etag = etag_of(request, [snapshot], f"{times}/{CSV}")
    if unchanged := not_modified(request, etag):
        return unchanged
    filters = filters_of(request.url.path, query.model_dump())
    key = responses.cursors.decode(query.cursor, filters)
    require_market_in_region(snapshots, query.market_id, query.region)
    rows = history_rows(snapshot, query, times, key, query.limit)
    shown = rows[: query.limit]
    out = io.StringIO()
    writer = csv.DictWriter(out, HISTORY)
    writer.writeheader()
    for _, item in shown:
        row = item | {"warnings": ";".join(item["warnings"] or ())}
        writer.writerow({k: spreadsheet_text(v) if isinstance(v, str) else v for k, v in row.items()})
    headers = {"ETag": etag, "Cache-Control": PUBLIC}
    if len(rows) > query.limit:
        headers["Link"] = responses.link_to(responses.cursors.encode(shown[-1][0], filters))
    return Response(out.getvalue(), headers=headers, media_type=f"{CSV}; charset=utf-8")


def history_rows(
    snapshot: Snapshot, query: PriceHistoryQuery, times: TimeRange, key: Key | None, limit: int
) -> list[KeyedItem]:
    """Up to limit + 1 rows after `key`, newest market day first; reads the files of one month at a time."""
    condition = requested_series(query) & times.of_prices()
    if snapshot.delta is None:
        return []
    # A table from before a column was added lacks it until the stream starts.
    columns = [name for name in STORED if name in snapshot.delta.schema().to_arrow().names]
    page: list[KeyedItem] = []
    for month in months_within(snapshot, times, key):
        table = snapshot.read(condition, columns, partition=("market_month", month))
        rows = next_rows(table, ORDER, key, limit + 1 - len(page))
        page += [(sort_key, history_item(row)) for sort_key, row in rows]
        if len(page) > limit:
            break
    return page


def requested_series(query: PriceHistoryQuery) -> pc.Expression:
    """The commodity, region and market of a query. Raises Problem 404 for unknown names."""
    condition = pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    if query.market_id:
        condition &= pc.field("market_id") == query.market_id
    if code := region_code(query.region):
        condition &= pc.field("region_code") == code
    return condition


def newest_day(snapshots: Snapshots, query: PriceHistoryQuery) -> date | None:
    """The newest market day of the requested series, by the live prices; of the table when they have none."""
    of_table = newest_of(snapshots["gold.price_history"], "market_date")
    live = snapshots["gold.live_prices"].rows
    assert live is not None
    try:
        of_series: date | None = pc.max(live.filter(requested_series(query))["market_date"]).as_py()
    except Problem:  # an unknown name, which is reported after a faulty cursor
        return of_table
    return of_series or of_table


def history_item(row: dict[str, Any]) -> dict[str, Any]:
    """A row as an item of the list."""
    level = "province" if row["market_id"].startswith(PROVINCE_WIDE) else "market"
    return {name: to_json_value(({"level": level} | row).get(name)) for name in HISTORY}


def months_within(snapshot: Snapshot, times: TimeRange, key: Key | None) -> list[str]:
    """Months that can hold the range, newest first, from the cursor's month on.

    The range is extended by a day on both sides: time zones differ.
    """
    delta = snapshot.delta
    assert delta is not None
    months = snapshot.cached(
        "months", lambda: sorted({part["market_month"] for part in delta.partitions()}, reverse=True)
    )
    first = f"{times.start - timedelta(days=1):%Y-%m}"
    last = f"{times.end + timedelta(days=1):%Y-%m}" if times.end else "9999-12"
    if key is not None:
        last = min(last, f"{pa.scalar(key[0], pa.int32()).cast(pa.date32()).as_py():%Y-%m}")
    return [month for month in months if first <= month <= last]
