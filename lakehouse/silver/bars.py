"""bronze.events -> silver.bars"""

from lakehouse.verdicts.resolve import each

RESOLVED = {"symbol": each("symbol", str.upper)}
COLUMNS = {
    "bar_date": "case when given_bar_time is not null then try_cast(p.bar_time[:10] as date) end",
    "open": "nullif(p.open, 0)",
    "final": "coalesce(p.final, true)",
    "no_trade": "p.high = p.low and p.volume = 0",
    "event_month": "month(given_bar_time)",
}
