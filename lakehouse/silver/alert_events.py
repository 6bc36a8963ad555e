"""bronze.events -> silver.alert_events"""

from lakehouse.verdicts.resolve import commodity, region

RESOLVED = {"listed_commodity": commodity("commodity"), "place": region("region")}
COLUMNS = {
    "alert_id": "p.alert_id",
    "act": "p.act",
    "actor": "p.actor",
    "level": "p.level",
    "commodity": "listed_commodity.id",
    "market_id": "p.market_id",
    "region_code": "place.code",
    "region": "place.name",
    "message": "p.message",
    "risk_score": "p.risk_score",
    "note": "p.note",
    "event_month": "month(event_time)",
}
