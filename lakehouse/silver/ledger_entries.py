"""bronze.events -> silver.ledger_entries"""

from lakehouse.verdicts.resolve import commodity

RESOLVED = {"listed_commodity": commodity("commodity")}
COLUMNS = {
    "chain": "coalesce(p.chain, 'price')",
    "commodity": "listed_commodity.id",
    "price_idr": "p.price",
    "actor": "coalesce(p.decided_by, p.source, source)",
    "event_month": "month(event_time)",
}
