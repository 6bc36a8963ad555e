"""Faults of a payload that a strict door refuses, by the payload section of the contracts.

Each fault has the name of the rule by which the stream would refuse it.
"""

import re
from dataclasses import dataclass
from types import UnionType
from typing import Any

from lakehouse.contracts.contract import Contract, Field, kinds
from lakehouse.contracts.derived_rules import bounds, measure_rule, required_rule, value_rule
from lakehouse.contracts.rule_messages import number_text
from lakehouse.times import parse_day, parse_time

UNKNOWN_FIELD = "field_unknown"  # a strict door refuses it, the stream only warns
# Type of a field -> the types of Python that its values have, and what a message calls them; else a string.
JSON_TYPES: dict[str, tuple[type | UnionType, str]] = {
    "boolean": (bool, "true or false"),
    "object": (dict, "an object"),
    "strings": (list, "an array of strings"),
    "number": (int | float, "a number"),
    "integer": (int | float, "a number"),
}


@dataclass(frozen=True)
class Fault:
    """One fault of a payload: JSON pointer, rule name as in the stream, and a message."""

    pointer: str
    code: str
    message: str


def faults(payload: Any, wanted: list[str]) -> list[Fault]:
    """Faults in types, presence, ranges and names of a payload that is to be an event of each wanted kind."""
    if not isinstance(payload, dict):
        return [Fault("", "payload_json", "an event is one JSON object")]
    if not wanted:
        return [Fault("", "kind_required", "neither a price nor a metric is given")]
    known = {field.name for kind in wanted for field in kinds()[kind].payload}
    payload_faults = [
        Fault(f"/{name}", UNKNOWN_FIELD, f"unknown field '{name[:60]}'")
        for name in payload
        if name not in known
    ]
    for kind in wanted:
        for fault in _kind_faults(payload, kinds()[kind]):
            if fault not in payload_faults:
                payload_faults.append(fault)
    return payload_faults


def _kind_faults(payload: dict[str, Any], contract: Contract) -> list[Fault]:
    kind_faults: list[Fault] = []
    groups: dict[str, bool] = {}
    for field in contract.payload:
        value = payload.get(field.name)
        if field.one_of:
            groups[field.one_of] = groups.get(field.one_of, False) or value is not None
        if value is None:
            if field.required:
                kind_faults.append(
                    Fault(f"/{field.name}", required_rule(field.name), f"{field.name} is missing")
                )
            continue
        fault = _field_fault(field, value)
        if fault:
            kind_faults.append(Fault(f"/{field.name}", *fault))
    kind_faults += [
        Fault("", f"{group}_required", f"no {group} is given") for group, given in groups.items() if not given
    ]
    return kind_faults


def _field_fault(field: Field, value: Any) -> tuple[str, str] | None:
    """(rule, message) of the first fault of a value, None when it has none."""
    if wrong := _type_fault(field, value):
        return "field_type", f"{field.name} is not {wrong}"
    if isinstance(value, str):
        return _text_fault(field, value)
    if field.type in ("number", "integer"):
        return _number_fault(field, value)
    return None


def _type_fault(field: Field, value: Any) -> str | None:
    """What the value should have been, None when it has the right type."""
    types, name = JSON_TYPES.get(field.type, (str, "a string"))
    fits = isinstance(value, types) and (types is bool or not isinstance(value, bool))
    if fits and field.type == "strings":
        fits = all(isinstance(item, str) for item in value)
    return None if fits else name


def _text_fault(field: Field, value: str) -> tuple[str, str] | None:
    if field.required and not value.strip():
        return required_rule(field.name), f"{field.name} is empty"
    if field.type == "timestamp" and parse_time(value) is None:
        form = "an RFC 3339 time with its offset (years 0002 to 9998)"
        return value_rule(field.name, "format"), f"{field.name} is not {form}"
    if field.type == "date" and parse_day(value) is None:
        return value_rule(field.name, "format"), f"{field.name} is not a day, YYYY-MM-DD"
    if field.pattern and not re.fullmatch(field.pattern, value):
        return value_rule(field.name, "format"), f"{field.name} does not match {field.pattern}"
    if field.enum and value not in field.enum:
        return value_rule(field.name, "known"), f"{field.name} is not one of {', '.join(field.enum)}"
    if len(value) < (field.min_length or 0) or len(value) > (field.max_length or len(value)):
        return value_rule(field.name, "length"), f"{field.name} has {len(value)} characters"
    return None


def _number_fault(field: Field, value: float) -> tuple[str, str] | None:
    if field.type == "integer" and value != int(value):
        return measure_rule(field.name, "whole"), f"{field.name} is not a whole number"
    if field.above is not None and value <= field.above:
        return measure_rule(field.name, "positive"), f"{field.name} is not above {number_text(field.above)}"
    if (field.min is not None and value < field.min) or (field.max is not None and value > field.max):
        return measure_rule(field.name, "range"), f"{field.name} lies {bounds(field)[0]}"
    return None
