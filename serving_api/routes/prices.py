"""Live prices and price history."""

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Query, Response

from serving_api.http.cursors import Key
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.live_prices import is_simulated, live_rows, live_table, of_place
from serving_api.reads.names import commodity_ids, region_code
from serving_api.reads.price_impacts import PriceImpacts
from serving_api.reads.responses import (
    CurrentResponses,
    EncodedPage,
    encode_page,
    rows_after,
)
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.envelope import Page
from serving_api.schemas.prices import (
    LivePrice,
    LivePricesQuery,
)
from serving_api.schemas.problem import problems

router = Router(prefix="/api/public/commodity/price", tags=["prices"])
# Months come in this order too.


@router.get("/live", response_model=Page[LivePrice], responses=problems(404), summary="Newest valid prices")
async def list_live_prices(
    query: Annotated[LivePricesQuery, Query()], snapshots: Shared[Snapshots], responses: CurrentResponses
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
