"""The schema of a problem (RFC 9457), and how routes document the problems that they return."""

from typing import Any

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "trace_id"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/unknown-commodity"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "in the language of Accept-Language: en or id"},
        "instance": {"type": "string"},
        "trace_id": {"type": "string"},
        "nearest": {
            "type": "array",
            "items": {"type": "string"},
            "description": "of an unknown name: those that resemble it",
        },
        "event_ids": {
            "type": "array",
            "items": {"type": ["string", "null"]},
            "description": "of events that may not be stored: their ids, in their order; null: refused",
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("pointer", "code", "message")},
            },
        },
    },
}
COMMON_STATUSES = (405, 406, 429, 500, 503)  # possible at every endpoint


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of an endpoint's errors; the statuses that every endpoint has are added."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": "a problem", "content": content}
        for status in sorted({*COMMON_STATUSES, *statuses})
    }
