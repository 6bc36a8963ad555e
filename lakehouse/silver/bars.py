"""bronze.events -> silver.bars"""

from lakehouse.verdicts.resolve import each

RESOLVED = {"upper_symbol": each("symbol", str.upper)}
COLUMNS = {
    "symbol": "upper_symbol",
    "asset_class": "p.asset_class",
    "interval": "p.interval",
    "bar_time": "given_bar_time",
    "bar_date": "case when given_bar_time is not null then try_cast(p.bar_time[:10] as date) end",
    "open": "nullif(p.open, 0)",
    "high": "p.high",
    "low": "p.low",
    "close": "p.close",
    "volume": "p.volume",
    "currency": "p.currency",
    "previous_close": "p.previous_close",
    "final": "coalesce(p.final, true)",
    "no_trade": "p.high = p.low and p.volume = 0",
    "event_month": "month(given_bar_time)",
}
