"""bronze.events -> silver.orders"""

from lakehouse.contracts.contract import kinds
from lakehouse.verdicts.exact import text_of_field
from lakehouse.verdicts.resolve import each

RESOLVED = {
    "upper_symbol": each("symbol", str.upper),
    "result": each("validation", lambda validation: text_of_field(validation, "result")),
}
COMPUTED = {
    "symbol": "upper_symbol",
    "bar_time": "given_bar_time",
    "decided_at": "given_decided_at",
    "executed_at": "given_executed_at",
    "verdict": "result",
    "event_month": "month(event_time)",
}
# Every other column is a field of the payload.
COPIED = [
    field.name
    for field in kinds()["order"].payload
    if field.name in kinds()["order"].column_names and field.name not in {"event_id", "event_time", *COMPUTED}
]
COLUMNS = {name: f"p.{name}" for name in COPIED} | COMPUTED
