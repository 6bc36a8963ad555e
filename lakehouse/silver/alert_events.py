"""bronze.events -> silver.alert_events"""

from lakehouse.verdicts.resolve import commodity, region

RESOLVED = {"listed_commodity": commodity("commodity"), "place": region("region")}
COLUMNS = {
    "commodity": "listed_commodity.id",
    "region_code": "place.code",
    "region": "place.name",
    "event_month": "month(event_time)",
}
