"""bronze.events -> silver.dead_letters: every message that an intake refused, judged by why it did."""

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.verdicts.resolve import header, needs_decision


def payloads(events: pa.Table) -> pa.Array:
    """What is read of each message: one that needs no decision is taken for an empty object.

    Nothing in it may send it to the quarantine.
    """
    return pc.if_else(needs_decision(events), events["value"].combine_chunks(), pa.scalar(b"{}"))


RESOLVED = {
    "listed": needs_decision,
    "refusal_header": lambda rows: header(rows, "reason"),
    "topic_header": lambda rows: header(rows, "original_topic"),
}
# The rules on content do not apply: the message may be cut, or of any kind.
COLUMNS = {
    "refusal": "coalesce(refusal_header, '')",
    "intended": "coalesce(topic_header, '')",
    "event_time": "received_at",
    "event_month": "month(received_at)",
    "malformed": "false",
    "repeated": "false",
    "unknown_fields": "null",
    "kind": "p.kind",
}
