"""Lists of a shop: revenue day by day, and its best products."""

from collections.abc import Callable

import pyarrow.compute as pc

from serving_api.listings.listing import Filter, Listing, ListRequest, Row, listing_router
from serving_api.reads.retail.categories import is_simulated, listed_category, shop_of
from serving_api.schemas.envelope import Name
from serving_api.schemas.retail.analytics import ShopName

REVENUE = "gold.revenue"
CATEGORY_COLUMN = "in upper or lower case; all categories without it"


def shop(request: ListRequest) -> str:
    """The requested shop, else the default one. Raises Problem 404."""
    return shop_of(request.others[REVENUE], request.values["shop"])


def of_shop(request: ListRequest) -> Callable[[Row], bool]:
    """Whether the simulator sent listings of the shop."""
    simulated = is_simulated(request.others[REVENUE], shop(request))
    return lambda item: simulated


SHOP = Filter("shop", "the default shop, or the only one, without it", annotation=ShopName)
BY_CATEGORY = (
    Filter(
        "category",
        CATEGORY_COLUMN,
        lambda name, request: pc.field("category") == listed_category(request.snapshot, name),
        Name,
    ),
    SHOP,
)
REVENUE_DAYS = Listing(
    table=REVENUE,
    path="/api/v1/retail/revenue-history",
    name="list_revenue_days",
    item="RevenueDay",
    summary="Revenue of a shop day by day",
    description="""Each category at the end of each day on which one of its products changed,
    newest day first.""",
    columns="market_date, category, revenue, units_sold, revenue_new, units_new",
    filters=BY_CATEGORY,
    condition=lambda request: pc.field("shop") == shop(request),
    order="market_date desc, category",
    demo=of_shop,
)
TOP_PRODUCTS = Listing(
    table="gold.top_products",
    path="/api/v1/retail/top-products",
    name="list_top_products",
    item="TopProduct",
    summary="Products with the most revenue",
    description="The 20 best of each category, most revenue first.",
    columns="product_id, product_name, category, revenue, units_sold, price, discount_pct, rating",
    others=(REVENUE,),
    filters=BY_CATEGORY,
    condition=lambda request: pc.field("shop") == shop(request),
    order="revenue desc, product_id",
    demo=of_shop,
)
router = listing_router("retail", REVENUE_DAYS, TOP_PRODUCTS)
