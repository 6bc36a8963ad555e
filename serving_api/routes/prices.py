"""Live prices and price history."""

import csv
import io
from datetime import timedelta
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from pyarrow.dataset import Dataset

from serving_api.answers import PUBLIC, Page, accepts, after, etag_of, listed, page_of, plain, unchanged
from serving_api.gold import Gold, Snapshot
from serving_api.names import commodity_ids, known_market, region_code, zone_of
from serving_api.newest import next_rows
from serving_api.paging import Cursors, Key, Range, filters_of, time_range
from serving_api.shapes import HistoryAsked, HistoryPrice, LiveAsked, LivePrice, Many, problems

router = APIRouter(prefix="/api/public/commodity/price", tags=["prices"])
LIVE = (
    "market_id", "market_name", "region", "level", "commodity", "price_idr", "unit", "event_time", "market_date", "change_pct",
)  # fmt: skip
HISTORY = ("event_id", "market_id", "region", "commodity", "price_idr", "unit", "event_time", "market_date", "warnings")
ORDER = (("market_date", "descending"), ("event_time", "descending"), ("event_id", "ascending"))  # months come in that order
SIMULATED = "sim-"  # how the simulator's event ids begin


def live_rows(snapshot: Snapshot) -> list[tuple[Key, dict[str, Any], str]]:
    """(sort key, item, region code) of every retail series, newest first."""
    assert snapshot.rows is not None
    rows = []
    for row in snapshot.rows.filter(pc.field("channel") == "retail").to_pylist():
        item = {name: plain(row[name]) for name in LIVE} | {"status": "validated", "impact_score": None}
        key = (-row["event_time"].timestamp(), row["market_id"], row["commodity"])
        rows.append((key, item, row["region_code"]))
    return sorted(rows, key=lambda row: row[0])


def simulated(snapshot: Snapshot) -> bool:
    """Whether any live price was reported by the simulator."""
    assert snapshot.rows is not None
    return pc.any(pc.starts_with(snapshot.rows["event_id"], SIMULATED)).as_py() or False


@router.get(
    "/live", response_model=Many[LivePrice], responses=problems(404, 410, 422), summary="Newest valid price of each market"
)
async def live(request: Request, query: Annotated[LiveAsked, Query()]) -> Response:
    """The newest valid price of each market for a commodity, or for the members of a group, newest first."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.live_prices"]

    def read(key: Key | None, limit: int) -> Page:
        goods, code = commodity_ids(query.commodity), region_code(query.region)
        rows = snapshot.cached("rows", lambda: live_rows(snapshot))
        wanted = [(k, item) for k, item, region in rows if item["commodity"] in goods and code in (None, region)]
        return page_of(after(wanted, key), limit, snapshot.cached("demo", lambda: [simulated(snapshot)])[0])

    return listed(request, [snapshot], query, read)


def history_rows(
    snapshot: Snapshot, query: HistoryAsked, asked: Range, key: Key | None, limit: int
) -> list[tuple[Key, dict[str, Any]]]:
    """Up to limit + 1 rows behind `key`, newest market day first; one month's files are read at a time."""
    wanted = pc.field("commodity").isin(sorted(commodity_ids(query.commodity))) & (pc.field("event_time") >= asked.start)
    if asked.end is not None:
        wanted &= pc.field("event_time") < asked.end
    if query.market_id:
        wanted &= pc.field("market_id") == query.market_id
    if code := region_code(query.region):
        wanted &= pc.field("region_code") == code
    if snapshot.delta is None:
        return []
    found: list[tuple[Key, dict[str, Any]]] = []
    for month in months(snapshot, asked, key):
        rows = next_rows(
            files_of(snapshot, month).to_table(columns=list(HISTORY), filter=wanted), ORDER, key, limit + 1 - len(found)
        )
        found += [(place, {name: plain(value) for name, value in row.items()}) for place, row in rows]
        if len(found) > limit:
            break
    return found


def files_of(snapshot: Snapshot, month: str) -> Dataset:
    """The files of one month; finding them costs more the longer the history is, so it is done once a version."""
    assert snapshot.delta is not None
    delta = snapshot.delta
    found: Dataset = snapshot.cached(
        ("files", month), lambda: delta.to_pyarrow_dataset(partitions=[("market_month", "=", month)])
    )
    return found


def months(snapshot: Snapshot, asked: Range, key: Key | None) -> list[str]:
    """Partitions that can hold the range (a day wider: zones differ), newest first, from the cursor's month on."""
    assert snapshot.delta is not None
    delta = snapshot.delta
    there = snapshot.cached("months", lambda: sorted({part["market_month"] for part in delta.partitions()}, reverse=True))
    first = f"{asked.start - timedelta(days=1):%Y-%m}"
    last = f"{asked.end + timedelta(days=1):%Y-%m}" if asked.end else "9999-12"
    if key is not None:
        last = min(last, f"{pa.scalar(key[0], pa.int32()).cast(pa.date32()).as_py():%Y-%m}")
    return [month for month in there if first <= month <= last]


@router.get("/history", response_model=Many[HistoryPrice], responses=problems(404, 410, 422), summary="Accepted prices over time")
async def history(request: Request, query: Annotated[HistoryAsked, Query()]) -> Response:
    """Accepted prices of a commodity in [from, to), newest market day first; default: the last 30 days. `format=csv`: a file."""
    gold: Gold = request.app.state.gold
    snapshot = gold["gold.price_history"]
    asked = time_range(query.from_, query.to, zone_of(query.market_id, query.region))
    if query.format == "csv":
        return await run_sync(csv_answer, request, snapshot, query, asked)

    def read(key: Key | None, limit: int) -> Page:
        known_market(gold, query.market_id)
        rows = history_rows(snapshot, query, asked, key, limit)
        return page_of(rows, limit, any(item["event_id"].startswith(SIMULATED) for _, item in rows[:limit]))

    return await run_sync(lambda: listed(request, [snapshot], query, read, asked=asked))


def csv_answer(request: Request, snapshot: Snapshot, query: HistoryAsked, asked: Range) -> Response:
    """The same columns as text/csv; the next page is in the Link header."""
    accepts(request, "text/csv")
    etag = etag_of(request, [snapshot], asked)
    if same := unchanged(request, etag, PUBLIC):
        return same
    cursors: Cursors = request.app.state.cursors
    filters = filters_of(request.url.path, query.model_dump())
    key = cursors.read(query.cursor, filters)
    known_market(request.app.state.gold, query.market_id)
    rows = history_rows(snapshot, query, asked, key, query.limit)
    shown, out = rows[: query.limit], io.StringIO()
    writer = csv.DictWriter(out, HISTORY)
    writer.writeheader()
    writer.writerows(item | {"warnings": ";".join(item["warnings"] or ())} for _, item in shown)
    headers = {"ETag": etag, "Cache-Control": PUBLIC}
    if len(rows) > query.limit:
        address = request.url.include_query_params(cursor=cursors.make(shown[-1][0], filters))
        headers["Link"] = f'<{address}>; rel="next"'
    return Response(out.getvalue(), headers=headers, media_type="text/csv; charset=utf-8")
