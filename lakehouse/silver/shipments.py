"""bronze.events -> silver.shipments"""

from lakehouse.reference import place_aliases
from lakehouse.verdicts.resolve import commodity, each, entry_of

MICROSECONDS_PER_HOUR = 3.6e9
RESOLVED = {
    "listed_commodity": commodity("commodity"),
    "origin_region_code": each("origin", entry_of(place_aliases())),
    "destination_region_code": each("destination", entry_of(place_aliases())),
}
COLUMNS = {
    "commodity": "listed_commodity.id",
    "commodity_is_group": "listed_commodity.is_group",
    "travel_hours": f"(epoch_us(given_arrived_at) - epoch_us(given_departed_at)) / {MICROSECONDS_PER_HOUR}",
    "event_month": "month(event_time)",
}
