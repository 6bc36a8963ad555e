"""bronze.events -> silver.shipments"""

from lakehouse.reference import place_aliases
from lakehouse.verdicts.resolve import commodity, each, entry_of

MICROSECONDS_PER_HOUR = 3.6e9
RESOLVED = {
    "listed_commodity": commodity("commodity"),
    "origin_region": each("origin", entry_of(place_aliases())),
    "destination_region": each("destination", entry_of(place_aliases())),
}
COLUMNS = {
    "route_id": "p.route_id",
    "origin": "p.origin",
    "origin_region_code": "origin_region",
    "destination": "p.destination",
    "destination_region_code": "destination_region",
    "commodity": "listed_commodity.id",
    "commodity_is_group": "listed_commodity.is_group",
    "quantity_kg": "p.quantity_kg",
    "distance_km": "p.distance_km",
    "departed_at": "given_departed_at",
    "arrived_at": "given_arrived_at",
    "travel_hours": f"(epoch_us(given_arrived_at) - epoch_us(given_departed_at)) / {MICROSECONDS_PER_HOUR}",
    "event_month": "month(event_time)",
    "device_id": "p.device_id",
}
