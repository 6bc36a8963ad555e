"""Figures of a shop by category: revenue, discounts, price and rating, satisfaction of customers."""

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Query, Request, Response
from pydantic import BaseModel

from serving_api.http.request_checks import require_acceptable
from serving_api.http.router import Router, StrictRoute
from serving_api.http.spreadsheets import list_format
from serving_api.reads.responses import CurrentResponses, Responses
from serving_api.reads.retail.categories import encoded_category, is_simulated, items_of, rows_of, shop_of
from serving_api.reads.snapshots import Snapshot
from serving_api.schemas.problem import problems
from serving_api.schemas.retail.analytics import (
    CategoryQuery,
    CategoryRevenue,
    CategorySatisfaction,
    DiscountBand,
    DiscountReport,
    PriceRating,
    PriceRatingReport,
    RevenueReport,
    SatisfactionReport,
)

Item = dict[str, Any]
CategoryParameter = Annotated[CategoryQuery, Query()]
REVENUE = "gold.revenue"  # it also lists the shops
DISCOUNTS = "gold.discount_effect"
LIFTS = "gold.discount_lift"
# Name of the route -> table, items, and their order.
FIGURES: dict[str, tuple[str, type[BaseModel], list[tuple[str, str]]]] = {
    "revenue": (REVENUE, CategoryRevenue, [("revenue", "descending"), ("category", "ascending")]),
    "discount": (
        DISCOUNTS,
        DiscountBand,
        [("category", "ascending"), ("average_discount_pct", "ascending")],
    ),
    "price_rating": ("gold.price_rating", PriceRating, [("category", "ascending")]),
    "customer_satisfaction": (
        "gold.customer_satisfaction",
        CategorySatisfaction,
        [("satisfaction_index", "descending"), ("category", "ascending")],
    ),
}


class RepeatedAnswer(StrictRoute):
    """Answers an address again, while the versions that it was answered from are served.

    FastAPI would read the parameters first, which takes longer than the answer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        compute = super().get_route_handler()

        async def answer_request(request: Request) -> Response:
            responses = Responses(request)
            read = tables_of(self.name, responses)
            known = read[0].cache.get(address_key(request, read, responses.snapshots[REVENUE]))
            if known is None or list_format(request, None) != "json":
                return await compute(request)
            require_acceptable(request)
            item, shop, demo = known
            return responses.item(read, item, demo=demo, variant=shop)

        return answer_request


def tables_of(figures: str, responses: Responses) -> list[Snapshot]:
    """What the figures are read from, their own table first."""
    table = FIGURES[figures][0]
    names = (table, LIFTS) if table == DISCOUNTS else (table,)
    return [responses.snapshots[name] for name in names]


def address_key(request: Request, read: Sequence[Snapshot], revenue: Snapshot) -> Hashable:
    """What an answer depends on besides the version of its own table."""
    others = ((other.identity, other.version) for other in (*read[1:], revenue))
    return "address", request.scope["query_string"], *others


router = Router(prefix="/analytics", tags=["retail"], route_class=RepeatedAnswer)


@router.get(
    "/revenue", response_model=RevenueReport, responses=problems(404), summary="Revenue and units of a shop"
)
async def revenue(query: CategoryParameter, responses: CurrentResponses) -> Response:
    """By category, most revenue first. A listing gives its sales cumulatively."""
    return answer("revenue", query, responses)


@router.get(
    "/discount",
    response_model=DiscountReport,
    responses=problems(404),
    summary="What goes along with discounts",
)
async def discount(query: CategoryParameter, responses: CurrentResponses) -> Response:
    """Bands of discounts by category. An association, not an experiment."""
    return answer("discount", query, responses)


@router.get(
    "/price-rating",
    response_model=PriceRatingReport,
    responses=problems(404),
    summary="Correlation of net price and rating",
)
async def price_rating(query: CategoryParameter, responses: CurrentResponses) -> Response:
    """By category; null below 20 products."""
    return answer("price_rating", query, responses)


@router.get(
    "/customer-satisfaction",
    response_model=SatisfactionReport,
    responses=problems(404),
    summary="Satisfaction of customers",
)
async def customer_satisfaction(query: CategoryParameter, responses: CurrentResponses) -> Response:
    """By category, highest index first."""
    return answer("customer_satisfaction", query, responses)


def answer(figures: str, query: CategoryQuery, responses: Responses) -> Response:
    """The figures of the requested shop and category; those of revenue with their sum."""
    table, item_type, order = FIGURES[figures]
    opened = tables_of(figures, responses)
    revenue = responses.snapshots[REVENUE]
    shop = shop_of(revenue, query.shop)

    def read(rows: pa.Table) -> Item:
        if table == DISCOUNTS:
            rows = with_causal_lifts(rows, rows_of(opened[1], shop))
        if table != REVENUE:
            return {"items": items_of(rows.sort_by(order), item_type)}
        items = items_of(rows.filter(pc.field("newest")).sort_by(order), item_type)
        return {"total_revenue": sum(item["revenue"] for item in items), "items": items}

    item = encoded_category(opened, shop, query.category, read)
    known = (item, shop, is_simulated(revenue, shop))
    if list_format(responses.request, query.format) == "json":
        opened[0].cached(address_key(responses.request, opened, revenue), lambda: known)
    return responses.whole_list(opened, item, query.format, demo=known[2], variant=shop)


def with_causal_lifts(bands: pa.Table, lifts: pa.Table) -> pa.Table:
    """The bands of discounts, with what training has measured for them where it could."""
    keys = ["category", "discount_band"]
    measured = lifts.select([*keys, "lift_units", "lift_low", "lift_high"])
    names = ["causal_lift_units", "causal_lift_low", "causal_lift_high"]
    return bands.join(measured.rename_columns([*keys, *names]), keys)
