"""bronze.events -> silver.decisions"""

import pyarrow as pa

from lakehouse.verdicts.exact import names_of
from lakehouse.verdicts.resolve import each, header

# Columns that the stream reads and that silver does not keep: `proof`, what a signature covers, and itself.
NOT_KEPT = ("proof",)
RESOLVED = {
    "correction_fields": each("correction", names_of, pa.list_(pa.string())),
    "signature": lambda rows: header(rows, "signature"),
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
    "proof": "struct_pack(source := source, value := payload, signature := signature)",
}
