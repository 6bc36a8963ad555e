"""Unknown fields of payloads -> rows of gold.schema_drift: names, types and counts, never a value."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from lakehouse.contracts.contract import kinds

Row = dict[str, Any]
FieldId = tuple[str, str]  # kind, field
RULE = "field_unknown"
NAME_LENGTH = 100
FIELDS_PER_KIND = 200  # senders choose the names: they must not fill the table
OTHERS = "*"
TYPES = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


@dataclass(frozen=True)
class EventWithUnknownField:
    """An event with fields that no contract names. `counted_as`: events (accepted) or quarantined."""

    kind: str
    event_id: str
    source: str
    ingested_at: datetime
    payload: bytes
    counted_as: Literal["events", "quarantined"] = "events"


def unknown_fields(kind: str, payload: bytes) -> dict[str, str]:
    """Name -> JSON type of the fields that the contract does not name; empty unless it is one JSON object."""
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:  # what Spark reads and orjson does not, such as numbers beyond 1e308
        return {}
    known = {field.name for field in kinds()[kind].payload}
    pairs = fields.items() if isinstance(fields, dict) else ()
    return {name[:NAME_LENGTH]: TYPES[type(value)] for name, value in pairs if name not in known}


def add(current: Mapping[FieldId, Row], events: Iterable[EventWithUnknownField]) -> dict[FieldId, Row]:
    """The rows with the events counted. `events`: in order of arrival, none of them counted before."""
    rows = dict(current)
    field_counts = Counter(kind for kind, _ in rows)
    for event in events:
        fields = unknown_fields(event.kind, event.payload)
        for name, types in _counted_names(event.kind, fields, rows, field_counts[event.kind]).items():
            known = rows.get((event.kind, name))
            if known is None:
                field_counts[event.kind] += 1
                known = _new_row(event, name)
            rows[event.kind, name] = known | {
                "json_types": sorted({*known["json_types"], *types}),
                event.counted_as: (known[event.counted_as] or 0) + 1,
                "last_seen_at": max(known["last_seen_at"], event.ingested_at),
            }
    return rows


def _counted_names(
    kind: str, fields: Mapping[str, str], rows: Mapping[FieldId, Row], field_count: int
) -> dict[str, set[str]]:
    """Name under which each field is counted -> its types.

    An event counts once for all of its fields that get no row of their own.
    """
    names: dict[str, set[str]] = {}
    available = FIELDS_PER_KIND - field_count
    for field, json_type in fields.items():
        name = field
        if (kind, field) not in rows:
            if available > 0:
                available -= 1
            else:
                name = OTHERS
        names.setdefault(name, set()).add(json_type)
    return names


def _new_row(event: EventWithUnknownField, field: str) -> Row:
    return {
        "kind": event.kind,
        "field": field,
        "json_types": [],
        "events": 0,
        "quarantined": 0,
        "first_event_id": event.event_id,
        "first_source": event.source,
        "first_seen_at": event.ingested_at,
        "last_seen_at": event.ingested_at,
    }
