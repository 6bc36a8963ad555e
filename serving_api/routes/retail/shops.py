"""Shops that have listings."""

from fastapi import Response

from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.retail.categories import currency_of, is_simulated, shop_names
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.retail.analytics import ShopList

router = Router(prefix="/api/v1/retail", tags=["retail"])


@router.get("/shops", response_model=ShopList, summary="Shops that have listings")
async def list_shops(snapshots: Shared[Snapshots], responses: CurrentResponses) -> Response:
    """By name, with the currency of their prices."""
    revenue = snapshots["gold.revenue"]
    names = shop_names(revenue)
    items = [{"shop": name, "currency": currency_of(name)} for name in names]
    demo = any(is_simulated(revenue, name) for name in names)
    return responses.item([revenue], {"items": items}, demo=demo)
