"""bronze.events -> silver.macro"""

from lakehouse.verdicts.payload import is_not_measured, measured
from lakehouse.verdicts.resolve import each

RESOLVED = {"lower_indicator": each("indicator", str.lower)}
COLUMNS = {
    "indicator": "lower_indicator",
    "period": "p.period",
    "value": measured("p.value"),
    "marks": is_not_measured("p.value"),
    "unit": "trim(p.unit, ' ')",
    "released_at": "given_released_at",
    "publisher": "p.source",
    "event_month": "month(given_released_at)",
}
