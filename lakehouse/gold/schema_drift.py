"""Payloads with fields that no contract names -> gold.schema_drift: names, types and counts, never a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from lakehouse.contract import kinds

RULE = "field_unknown"
NAME_LENGTH = 100
FIELDS_PER_KIND = 200  # senders choose the names: they must not fill the table
OTHERS = "*"
TYPES = {str: "string", bool: "boolean", int: "number", float: "number", dict: "object", list: "array", type(None): "null"}


@dataclass(frozen=True)
class Bearer:
    """An accepted event with fields that no contract names."""

    kind: str
    event_id: str
    source: str
    ingested_at: datetime
    payload: bytes


def unknown_fields(kind: str, payload: bytes) -> dict[str, str]:
    """Name -> JSON type of the fields that the kind's contract does not name; none when the bytes are not one JSON object."""
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:  # what Spark reads and orjson does not, such as numbers beyond 1e308
        return {}
    known = {field.name for field in kinds()[kind].payload}
    pairs = fields.items() if isinstance(fields, dict) else ()
    return {name[:NAME_LENGTH]: TYPES[type(value)] for name, value in pairs if name not in known}


def add(rows: Mapping[tuple[str, str], dict[str, Any]], bearers: Iterable[Bearer]) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by (kind, field), with the events added, which are in order of arrival and not counted yet."""
    found = dict(rows)
    named: dict[str, int] = {}
    for kind, _ in found:
        named[kind] = named.get(kind, 0) + 1
    for one in bearers:
        fields = unknown_fields(one.kind, one.payload)
        for name, types in _places(one.kind, fields, found, named).items():
            known = found.get((one.kind, name))
            if known is None:
                named[one.kind] = named.get(one.kind, 0) + 1
                known = _first(one, name)
            found[one.kind, name] = known | {
                "json_types": sorted({*known["json_types"], *types}),
                "events": known["events"] + 1,
                "last_seen_at": max(known["last_seen_at"], one.ingested_at),
            }
    return found


def _places(
    kind: str, fields: Mapping[str, str], found: Mapping[tuple[str, str], Any], named: Mapping[str, int]
) -> dict[str, set[str]]:
    """Name under which each field is counted -> its types; an event counts once for all that have no row of their own."""
    places: dict[str, set[str]] = {}
    room = FIELDS_PER_KIND - named.get(kind, 0)
    for name, json_type in fields.items():
        if (kind, name) not in found:
            name, room = (name, room - 1) if room > 0 else (OTHERS, room)
        places.setdefault(name, set()).add(json_type)
    return places


def _first(one: Bearer, name: str) -> dict[str, Any]:
    seen = {"first_event_id": one.event_id, "first_source": one.source, "first_seen_at": one.ingested_at}
    return {"kind": one.kind, "field": name, "json_types": [], "events": 0, **seen, "last_seen_at": one.ingested_at}
