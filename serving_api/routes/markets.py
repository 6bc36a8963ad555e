"""The list of markets."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.names import region_code
from serving_api.reads.provenance import simulated_rows
from serving_api.reads.responses import EncodedPage, encode_page, rows_after, to_json_value
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.envelope import Page
from serving_api.schemas.markets import MarketRow, MarketsQuery
from serving_api.schemas.problem import problems

router = APIRouter(prefix="/api/public/market", tags=["markets"])


@router.get(
    "/list",
    response_model=Page[MarketRow],
    responses=problems(404, 410, 422),
    summary="Markets and how much they report",
)
async def list_markets(
    query: Annotated[MarketsQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Every listed market and every market that has reported, by name.

    `PROV-<code>` is the price of a whole province.
    """
    snapshot = snapshots["gold.markets"]

    def read(key: Key | None, limit: int) -> EncodedPage:
        code = region_code(query.region)
        rows = snapshot.cached("rows", lambda: market_rows(snapshot))
        matches = [(sort_key, item) for sort_key, item, region in rows if code in (None, region)]
        simulated = simulated_rows(snapshots["gold.live_prices"], ["market_id"])
        return encode_page(rows_after(matches, key), limit, lambda item: (item["market_id"],) in simulated)

    return responses.page([snapshot], query, read)


def market_rows(snapshot: Snapshot) -> list[tuple[Key, dict[str, Any], str]]:
    """(sort key, item, region code) by name."""
    assert snapshot.rows is not None
    rows = [
        (
            (row["name"], row["market_id"]),
            {name: to_json_value(row[name]) for name in MarketRow.model_fields},
            row["region_code"],
        )
        for row in snapshot.rows.to_pylist()
    ]
    return sorted(rows, key=lambda row: row[0])
