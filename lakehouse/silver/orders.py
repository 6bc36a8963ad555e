"""bronze.events -> silver.orders"""

from lakehouse.verdicts.exact import text_of_field
from lakehouse.verdicts.resolve import each

RESOLVED = {
    "symbol": each("symbol", str.upper),
    "verdict": each("validation", lambda validation: text_of_field(validation, "result")),
}
COLUMNS = {"event_month": "month(event_time)"}
