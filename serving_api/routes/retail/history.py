"""Revenue of a shop day by day, and its best products."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.keyset import Order, next_rows
from serving_api.reads.responses import EncodedPage, encode_page, to_json_value
from serving_api.reads.retail.categories import is_simulated, listed_category, rows_of, shop_of
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.retail.analytics import CategoryPageQuery, RevenueDay, TopProduct

router = APIRouter(prefix="/api/v1/retail", tags=["retail"])
BY_DAY: Order = (("market_date", "descending"), ("category", "ascending"))
BY_REVENUE: Order = (("revenue", "descending"), ("product_id", "ascending"))


@router.get(
    "/revenue-history",
    response_model=Page[RevenueDay],
    responses=problems(404, 410, 422),
    summary="Revenue of a shop day by day",
)
async def list_revenue_days(
    query: Annotated[CategoryPageQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Each category at the end of each day on which one of its products changed, newest day first."""
    snapshot = snapshots["gold.revenue"]

    def read(key: Key | None, limit: int) -> EncodedPage:
        return listed(snapshot, snapshot, query, BY_DAY, RevenueDay, key, limit)

    return responses.page([snapshot], query, read)


@router.get(
    "/top-products",
    response_model=Page[TopProduct],
    responses=problems(404, 410, 422),
    summary="Products with the most revenue",
)
async def list_top_products(
    query: Annotated[CategoryPageQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """The 20 best of each category, most revenue first."""
    snapshot = snapshots["gold.top_products"]
    revenue = snapshots["gold.revenue"]

    def read(key: Key | None, limit: int) -> EncodedPage:
        return listed(snapshot, revenue, query, BY_REVENUE, TopProduct, key, limit)

    return responses.page([snapshot, revenue], query, read)


def listed(
    snapshot: Snapshot,
    revenue: Snapshot,
    query: CategoryPageQuery,
    order: Order,
    model: type[BaseModel],
    key: Key | None,
    limit: int,
) -> EncodedPage:
    """A page of the rows of the shop and category. Raises Problem 404 for an unknown one."""
    shop = shop_of(revenue, query.shop)
    demo = is_simulated(revenue, shop)
    name = None if query.category is None else listed_category(snapshot, query.category)
    rows = next_rows(rows_of(snapshot, shop, name), order, key, limit + 1)
    items = [
        (sort_key, {column: to_json_value(row[column]) for column in model.model_fields})
        for sort_key, row in rows
    ]
    return encode_page(items, limit, lambda item: demo)
