"""The payload section of a contract as JSON Schema 2020-12: what a strict door accepts."""

from collections.abc import Collection
from typing import Any

from lakehouse.contracts.contract import Contract, Field
from lakehouse.times import DAY, RFC3339

TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "timestamp": {"type": "string", "pattern": f"^{RFC3339}$", "examples": ["2026-11-21T08:00:00+07:00"]},
    "date": {"type": "string", "pattern": f"^{DAY}$", "examples": ["2026-11-21"]},
    "boolean": {"type": "boolean"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "object": {"type": "object"},
}
KEYWORDS = {
    "above": "exclusiveMinimum",
    "min": "minimum",
    "max": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def payload_schema(contract: Contract, names: Collection[str] | None = None) -> dict[str, Any]:
    """An object with the fields of the kind (or of `names`) and no others. A null field is an absent one."""
    fields = [field for field in contract.payload if names is None or field.name in names]
    groups = sorted({field.one_of for field in fields if field.one_of})
    notes = [f"At least one {group} is given." for group in groups]
    return {
        "type": "object",
        "title": event_name(contract),
        "description": " ".join([contract.description, *notes]),
        "required": [field.name for field in fields if field.required],
        "properties": {field.name: field_schema(field) for field in fields},
        "additionalProperties": False,
    }


def event_name(contract: Contract) -> str:
    """Name of the schema: `PriceEvent`."""
    return f"{(contract.kind or '').title()}Event"


def field_schema(field: Field) -> dict[str, Any]:
    """The value of one field."""
    unit = f" ({field.unit})" if field.unit else ""
    schema = TYPES[field.type] | {"description": f"{field.description}{unit}"}
    schema |= {
        keyword: bound for name, keyword in KEYWORDS.items() if (bound := getattr(field, name)) is not None
    }
    if field.enum:
        schema["enum"] = list(field.enum)
    if field.required:
        return schema
    described = {"description": schema.pop("description")}
    return {"anyOf": [schema, {"type": "null"}]} | described
