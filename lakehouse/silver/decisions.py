"""bronze.events -> silver.decisions"""

import pyarrow as pa

from lakehouse.verdicts.exact import names_of
from lakehouse.verdicts.resolve import each

RESOLVED = {
    "correction_fields": each("correction", names_of, pa.list_(pa.string())),
}
COLUMNS = {
    "generation": "try_cast(whole(p.generation) as integer)",
    "reason": "trim(p.reason, ' ')",
    "recheck": "coalesce(p.recheck, false)",
    "event_month": "month(event_time)",
}
