"""Lists of a shop: revenue by day and period, products, stock, promotions, how units follow prices."""

from collections.abc import Callable, Sequence
from functools import partial

import pyarrow.compute as pc

from lakehouse.translation import in_language
from serving_api.listings.listing import (
    Filter,
    Listing,
    ListRequest,
    Row,
    equal,
    listing_router,
)
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


def elasticities(rows: Sequence[Row], request: ListRequest) -> list[Row]:
    """The items, with the reason of a refusal in the language of the request."""
    items = map(ELASTICITY.item_of, rows)
    return [
        item if item["reason"] is None else item | {"reason": in_language(item["reason"], request.language)}
        for item in items
    ]


SHOP = Filter("shop", "the default shop, or the only one, without it", annotation=ShopName)
BY_CATEGORY = (
    Filter(
        "category",
        CATEGORY_COLUMN,
        lambda name, request: pc.field("category") == listed_category(request.others[REVENUE], name),
        Name,
    ),
    SHOP,
)
of_a_shop = partial(
    Listing,
    others=(REVENUE,),
    condition=lambda request: pc.field("shop") == shop(request),
    demo=of_shop,
)
REVENUE_DAYS = of_a_shop(
    table=REVENUE,
    path="/api/v1/retail/revenue-history",
    name="list_revenue_days",
    item="RevenueDay",
    summary="Revenue of a shop day by day",
    description="""Each category at the end of each day on which one of its products changed,
    newest day first.""",
    columns="market_date, category, revenue, units_sold, revenue_new, units_new",
    filters=BY_CATEGORY,
    order="market_date desc, category",
)
REVENUE_PERIODS = of_a_shop(
    table="gold.revenue_periods",
    path="/api/v1/retail/revenue-periods",
    name="list_revenue_periods",
    item="RevenuePeriod",
    summary="Revenue of a shop against the period before",
    description="Each category in the newest 7 and 28 days of the shop, most revenue first.",
    columns="""category, days, market_date, revenue, revenue_before, units, units_before, average_net_price,
    average_net_price_before""",
    filters=(*BY_CATEGORY, equal("days", "7 or 28; both without it")),
    order="days, revenue desc, category",
)
PRODUCT_SUPPLY = of_a_shop(
    table="gold.product_supply",
    path="/api/v1/retail/product-supply",
    name="list_product_supply",
    item="ProductSupply",
    summary="How long the stock of products lasts",
    description="The 100 of each category that last shortest, those first that are to be ordered first.",
    columns="""product_id, product_name, category, stock_quantity, units_a_day, basis, days_of_supply,
    order_first, alert_days, sell_through_pct, days_in_stock, days_sold_out""",
    filters=(
        *BY_CATEGORY,
        equal("order_first", "whether the stock lasts less than retail.supply_alert_days"),
    ),
    order="rank",
)
PROMOTIONS = of_a_shop(
    table="gold.promotions",
    path="/api/v1/retail/promotions",
    name="list_promotions",
    item="Promotion",
    summary="Promotions of a shop, and what they brought",
    description="""Units a day before, during and after each promotion, newest first. A comparison over time,
    not an experiment.""",
    columns="""began_on, ended_on, product_id, product_name, category, days, discount_pct, price,
    units_before, units_during, units_after, lift_units, break_even_lift, extra_units, extra_revenue,
    paid_off""",
    filters=(*BY_CATEGORY, equal("product_id", "the product; all of them without it")),
    order="began_on desc, product_id",
)
ELASTICITY = of_a_shop(
    table="gold.price_elasticity",
    path="/api/v1/retail/elasticity",
    name="list_elasticity",
    item="PriceElasticity",
    summary="How units follow the price",
    description="""By category and product, from the last training of the sales model. The product 0 is the
    category as a whole.""",
    columns="""product_id, product_name, category, elasticity, elasticity_low, elasticity_high,
    naive_elasticity, verdict, reason, price_spread, days, units_a_day, price, price_low, price_high,
    test_days, measured_at""",
    filters=(*BY_CATEGORY, equal("product_id", "the product; 0: categories as a whole; all without it")),
    order="category, product_id",
    present=elasticities,
    variant=lambda request: request.language,
)
TOP_PRODUCTS = of_a_shop(
    table="gold.top_products",
    path="/api/v1/retail/top-products",
    name="list_top_products",
    item="TopProduct",
    summary="Products with the most revenue",
    description="The 20 best of each category, most revenue first.",
    columns="""product_id, product_name, category, revenue, units_sold, units_new, units_before, revenue_new,
    revenue_before, price, discount_pct, rating""",
    filters=BY_CATEGORY,
    order="revenue desc, product_id",
)
router = listing_router(
    "retail", REVENUE_DAYS, REVENUE_PERIODS, TOP_PRODUCTS, PRODUCT_SUPPLY, PROMOTIONS, ELASTICITY
)
