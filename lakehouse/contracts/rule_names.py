"""Names that the SQL of a rule may read, and names that no column may take."""

from dataclasses import dataclass

# What the rules of every kind may read besides columns, payload fields and offers
# (lakehouse/verdicts/payload.py and rows.py make them).
KAFKA_COLUMNS = {"topic", "partition", "offset", "event_id", "source", "received_at", "content_type"}
PAYLOAD_COLUMNS = {
    "payload_bytes",
    "is_utf8",
    "malformed",
    "repeated",
    "broken_text",
    "wrong_type",
    "unknown_fields",
    "given_time",
    "is_replay",
    "kind",
}
ALWAYS = KAFKA_COLUMNS | PAYLOAD_COLUMNS | {"ingested_at", "event_time"}
# Names that no column of a kind may take.
RESERVED = PAYLOAD_COLUMNS | {"p", "mask", "reasons", "content_type", "payload", "other_headers"}


@dataclass(frozen=True)
class Names:
    """What a rule may read: columns (offers included) and payload fields."""

    columns: frozenset[str]
    fields: frozenset[str]
