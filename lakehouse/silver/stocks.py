"""bronze.events -> silver.stocks"""

from lakehouse.verdicts.resolve import commodity, region

RESOLVED = {"listed_commodity": commodity("commodity"), "place": region("region")}
MARKET_DATE = "local_day(event_time, place.timezone)"
COLUMNS = {
    "commodity": "listed_commodity.id",
    "commodity_is_group": "listed_commodity.is_group",
    "region_code": "place.code",
    "region": "place.name",
    "market_date": MARKET_DATE,
    "event_month": f"month({MARKET_DATE})",
}
