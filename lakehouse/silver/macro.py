"""bronze.events -> silver.macro"""

from lakehouse.verdicts.payload import is_not_measured, measured
from lakehouse.verdicts.resolve import each

RESOLVED = {"indicator": each("indicator", str.lower)}
COLUMNS = {
    "value": measured("p.value"),
    "marks": is_not_measured("p.value"),
    "unit": "trim(p.unit, ' ')",
    "publisher": "p.source",
    "event_month": "month(given_released_at)",
}
