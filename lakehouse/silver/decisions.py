"""bronze.events -> silver.decisions"""

import pyarrow as pa

from lakehouse.verdicts.exact import names_of
from lakehouse.verdicts.resolve import each

RESOLVED = {
    "correction_fields": each("correction", names_of, pa.list_(pa.string())),
}
COLUMNS = {
    "target_event_id": "p.target_event_id",
    "target_kind": "p.target_kind",
    "target_record": "p.target_record",
    "generation": "try_cast(whole(p.generation) as integer)",
    "decision": "p.decision",
    "reason": "trim(p.reason, ' ')",
    "correction": "p.correction",
    "recheck": "coalesce(p.recheck, false)",
    "decided_by": "p.decided_by",
    "quarantined_at": "given_quarantined_at",
    "event_month": "month(event_time)",
}
