"""The state of the pipeline: tables, silence, drift; and live prices that changed since a version."""

import hashlib
from typing import Annotated

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import Query, Response

from serving_api.http.cursors import Key
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.pipeline import read_processes, read_silence, read_tables
from serving_api.reads.dashboard.price_changes import changed_since
from serving_api.reads.live_prices import is_simulated, live_rows, of_place
from serving_api.reads.names import commodity_ids
from serving_api.reads.operation.balance import BalanceReader, total_of
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.price_impacts import PriceImpacts
from serving_api.reads.responses import CurrentResponses, EncodedPage, encode_page, rows_after
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.envelope import Page
from serving_api.schemas.pipeline import (
    ChangesQuery,
    Pipeline,
)
from serving_api.schemas.prices import LivePrice
from serving_api.schemas.problem import problems

router = Router(prefix="/api/v1", tags=["pipeline"])


@router.get("/pipeline", response_model=Pipeline, summary="Tables, lag, processes and balance")
async def get_pipeline(
    snapshots: Shared[Snapshots],
    lag: Shared[KafkaLag],
    balance: Shared[BalanceReader],
    responses: CurrentResponses,
) -> Response:
    """Every table with its version, rows and lag against its promise, from bronze to gold."""

    def respond() -> Response:
        counted, per_kind = balance.read()
        balanced = all(counts["difference"] == 0 for counts in per_kind.values())
        item = {
            "tables": read_tables(snapshots),
            "kafka_lag": lag.events,
            "processes": read_processes(),
            "silence": read_silence(snapshots),
            "balance": {**total_of(per_kind), "balanced": balanced},
            "hours": balance.last_hours(),
        }
        state = hashlib.sha256(orjson.dumps(item)).hexdigest()
        return responses.item([counted], item, variant=state)

    return await run_sync(respond)


@router.get(
    "/changes",
    response_model=Page[LivePrice],
    responses=problems(404),
    summary="Live prices that changed since a version",
)
async def list_changes(
    query: Annotated[ChangesQuery, Query()], snapshots: Shared[Snapshots], responses: CurrentResponses
) -> Response:
    """For callers that poll: the live prices that are newer than version `after` of gold.live_prices.

    410 when that version is no longer kept: then read the live prices again.
    """
    snapshot = snapshots["gold.live_prices"]
    impacts = PriceImpacts(snapshots)

    def read(key: Key | None, limit: int) -> EncodedPage:
        ids = commodity_ids(query.commodity) if query.commodity else None
        changed = frozenset() if query.after is None else changed_since(snapshot, query.after)
        places = pc.field("market_id").isin(pa.array({market for market, _ in changed}, pa.string()))
        rows = [
            (sort_key, item)
            for sort_key, item in live_rows(snapshot.rows, "newest", impacts, of_place(ids, None) & places)
            if (item["market_id"], item["commodity"]) in changed
        ]
        return encode_page(rows_after(rows, key), limit, is_simulated(snapshot))

    return await run_sync(lambda: responses.page([snapshot], query, read, variant=impacts.version))
