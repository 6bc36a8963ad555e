"""What posts say about the products of a shop."""

from typing import Annotated

import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response

from lakehouse.sentiment.daily import score_of
from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentResponses, CurrentSnapshots
from serving_api.reads.keyset import Order, next_rows
from serving_api.reads.responses import EncodedPage, KeyedItem, encode_page
from serving_api.reads.retail.categories import listed_category, shop_of
from serving_api.reads.sentiment import TABLE, product_counts, sentiment_model
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.envelope import Page
from serving_api.schemas.problem import problems
from serving_api.schemas.retail.analytics import CategoryPageQuery
from serving_api.schemas.retail.product_sentiment import ProductSentiment

router = APIRouter(prefix="/api/v1/retail", tags=["retail"])
ORDER: Order = (("posts", "descending"), ("product_name", "ascending"), ("category", "ascending"))


@router.get(
    "/product-sentiment",
    response_model=Page[ProductSentiment],
    responses=problems(404, 410, 422),
    summary="Sentiment of posts that name a product of the shop",
)
async def list_product_sentiment(
    query: Annotated[CategoryPageQuery, Query()], snapshots: CurrentSnapshots, responses: CurrentResponses
) -> Response:
    """Products that posts name, the most named first; empty where no post names one.

    A post names a product where the whole name stands in it, word by word; names of fewer than six letters
    and digits, and names of common words or numbers alone, do not count. `meta.model` names what states the
    polarity.
    """

    def respond() -> Response:
        snapshot = snapshots.open_newest(TABLE)
        revenue = snapshots["gold.revenue"]

        def read(key: Key | None, limit: int) -> EncodedPage:
            shop = shop_of(revenue, query.shop)
            category = None if query.category is None else listed_category(revenue, query.category)
            items = named_products(snapshot, shop, category, key, limit)
            return encode_page(items, limit, model=sentiment_model(snapshot))

        return responses.page([snapshot, revenue], query, read)

    return await run_sync(respond)


def named_products(
    snapshot: Snapshot, shop: str, category: str | None, key: Key | None, limit: int
) -> list[KeyedItem]:
    """Up to limit + 1 products after `key`, each with its score."""
    rows = snapshot.cached(("products", shop), lambda: product_counts(snapshot, shop))
    if category is not None:
        rows = rows.filter(pc.field("category") == category)
    return [
        (
            sort_key,
            row | {"newest": row["newest"].isoformat(), "score": score_of(row["positive"], row["negative"])},
        )
        for sort_key, row in next_rows(rows, ORDER, key, limit + 1)
    ]
