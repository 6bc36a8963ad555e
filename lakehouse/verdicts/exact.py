"""What one payload holds, read by Python's JSON decoder: the definition that `payload.parse` follows."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from math import isfinite
from typing import Any

from lakehouse.contracts.contract import Contract
from lakehouse.event import BAD_ESCAPE

BLANKS = " \t\n\r"
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
BROKEN_TEXT = re.compile(BAD_ESCAPE)
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
DEEPEST = 500  # levels of brackets; Python's parser fails at a depth that depends on its caller
LONGEST_NUMBER = 1000  # characters
INSIDE_A_LIST = "inside a list"
TYPED = {"number", "integer", "boolean", "strings"}  # the others take any value as a text


class TooLarge(str):
    """A number beyond the largest double: infinite as a number, quoted inside an object."""


class Members(dict[str, Any]):
    """An object; `members` are all of them as they are given, repeated ones among them."""

    def __init__(self, members: Iterable[tuple[str, Any]]) -> None:
        self.members = list(members)
        super().__init__(self.members)

    def items(self) -> Any:
        """What the encoder writes."""
        return self.members


@dataclass
class Payload:
    """`fields`: value of each field that is given and has its type; texts also of numbers and objects."""

    fields: dict[str, Any] = attribute(default_factory=dict)
    payload_bytes: int = 0
    is_utf8: bool = True
    malformed: bool = False
    repeated: bool = False
    broken_text: bool = False
    wrong_type: str | None = None
    unknown_fields: str | None = None


def _number(text: str) -> float | TooLarge:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    value = float(text)
    return value if isfinite(value) else TooLarge("-Infinity" if value < 0 else "Infinity")


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


DECODER = json.JSONDecoder(
    parse_float=_number, parse_int=_whole, parse_constant=_no_number, object_pairs_hook=Members
)
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "number": (float, int, TooLarge),
    "integer": (float, int, TooLarge),
    "boolean": (bool,),
    "strings": (list,),
    "object": (Members,),
}


def _as_text(value: Any) -> str | None:
    """A text without its quotes; anything else as JSON without blanks."""
    if value is None:
        return None
    if isinstance(value, float):
        return repr(value).replace("+", "")  # 1e22 is an id without other signs
    return HALF_CHARACTER.sub("?", value if type(value) is str else ENCODER.encode(value))


def _fits(field_type: str, value: Any) -> bool:
    """Whether a value has the JSON type of the field, or is null; items of an array apart."""
    return value is None or type(value) in JSON_TYPES.get(field_type, (str,))


def _too_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest > DEEPEST


def read(value: bytes, contract: Contract) -> Payload:
    """What the payload of one event of the contract's kind holds.

    A field given twice has its last value of its type.
    """
    payload = Payload(payload_bytes=len(value))
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode(errors="replace")
        payload.is_utf8 = False
    payload.broken_text = "\\u" in text and BROKEN_TEXT.search(text) is not None
    text = text.lstrip(BLANKS)
    try:
        if text[:1] != "{" or _too_deep(text):
            raise ValueError("no object")
        given, end = DECODER.raw_decode(text)
    except ValueError:
        payload.malformed = True
        return payload
    payload.malformed = text[end:].strip(" ") != ""
    members = [(HALF_CHARACTER.sub("?", name), item) for name, item in given.members]
    types = {field.name: field.type for field in contract.payload}
    payload.fields = {
        name: _field(types[name], item)
        for name, item in members
        if name in types and (types[name] not in TYPED or _fits(types[name], item))
    }
    if payload.malformed:
        return payload
    names = [name for name, _ in members]
    payload.repeated = len(set(names)) < len(names)
    unknown = dict.fromkeys(name for name in names if name not in types)
    payload.unknown_fields = ", ".join(unknown) if unknown else None
    payload.wrong_type = _wrong_type(members, types, contract.rules_from_fields)
    return payload


def _field(field_type: str, value: Any) -> Any:
    """The value of a field that holds its type, or that takes any type as a text."""
    if value is None or field_type == "boolean":
        return value
    if field_type in ("number", "integer"):
        return float(str(value))  # infinite for a whole number beyond the largest double
    return [_as_text(item) for item in value] if field_type == "strings" else _as_text(value)


def _wrong_type(members: list[tuple[str, Any]], types: Mapping[str, str], is_strict: bool) -> str | None:
    """The first field of another type, or INSIDE_A_LIST; None without one.

    The oldest kinds, not strict, take a number or an object for a text, unless another field is no number.
    """
    known = [(name, types[name], value) for name, value in members if name in types]
    wrong = [(name, field_type) for name, field_type, value in known if not _fits(field_type, value)]
    if not is_strict and not any(field_type in TYPED for _, field_type in wrong):
        return None
    if wrong:
        return wrong[0][0]
    lists = (value for _, field_type, value in known if field_type == "strings" and value)
    return INSIDE_A_LIST if any(type(item) is not str for items in lists for item in items) else None


def names_of(text: str | None) -> list[str] | None:
    """Names of the members of a JSON object, in order; None when the text is none."""
    members = _members(text)
    return None if members is None else [name for name, _ in members]


def text_of_field(text: str | None, wanted: str) -> str | None:
    """The last member of that name of a JSON object as a text; None without one."""
    return _as_text(dict(_members(text) or ()).get(wanted))


def _members(text: str | None) -> list[tuple[str, Any]] | None:
    if text is None or text[:1] != "{":
        return None
    try:
        members: list[tuple[str, Any]] = DECODER.raw_decode(text)[0].members
    except ValueError:
        return None
    return members
