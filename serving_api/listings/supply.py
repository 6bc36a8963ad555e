"""Lists of stocks and of transfers between provinces."""

from serving_api.listings.filters import commodity, region
from serving_api.listings.listing import Listing, equal, listing_router
from serving_api.reads.names import NATION

STOCKS = Listing(
    table="gold.stocks",
    path="/api/v1/supply/stock",
    name="list_stocks",
    item="StockRow",
    summary="Stocks of all holders, newest report first",
    description="The newest stock of each holder and commodity.",
    columns=(
        "entity_id, entity_type, region, commodity, quantity_kg, days_of_cover, cover_level, event_time"
    ),
    missing={"region": NATION[1]},
    filters=(
        equal("entity_type", "only holders of this type"),
        commodity(),
        region(),
        equal("cover_level", "only stocks of this level"),
    ),
    order="event_time desc, entity_id, commodity",
)
TRANSFERS = Listing(
    table="gold.supply_transfers",
    path="/api/v1/supply/transfers",
    name="list_transfers",
    item="Transfer",
    summary="Deficits next to surpluses, and how much could be moved",
    description="Shortest cover first.",
    columns=("commodity, to_region, to_cover_days, from_region, from_cover_days, distance_km, quantity_kg"),
    filters=(commodity(), region("province in deficit: name or two-digit code", column="to_region_code")),
    order="to_cover_days, commodity, to_region_code, from_region_code",
)
router = listing_router("supply", STOCKS, TRANSFERS)
