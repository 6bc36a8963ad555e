"""What one payload holds, read byte by byte in Python: the definition that `payload.parse` follows."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as attribute
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from lakehouse.contracts.contract import Contract
from lakehouse.event import BAD_ESCAPE
from lakehouse.verdicts.texts import compact_json

BLANKS = re.compile(r"[ \t\n\r]*")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
BROKEN_TEXT = re.compile(BAD_ESCAPE)
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
DEEPEST = 500  # levels of brackets; Python's parser fails at a depth that depends on its caller
LONGEST_NUMBER = 1000  # characters
INSIDE_A_LIST = "inside a list"
JSON_TYPES = {"number": float, "integer": float, "boolean": bool, "strings": list, "object": dict}
TYPED = {"number", "integer", "boolean", "strings"}  # the others take any value as a text


class NotJson(ValueError):
    """Text that is not JSON."""


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


def _number(text: str) -> float:
    if len(text) > LONGEST_NUMBER:
        raise NotJson("a number is too long")
    return float(text)


def _whole(text: str) -> float:
    return _number(text) + 0.0  # -0 is 0


def _no_number(text: str) -> float:
    raise NotJson(f"{text} is no JSON")


DECODER = json.JSONDecoder(parse_float=_number, parse_int=_whole, parse_constant=_no_number)


def _after_blanks(text: str, at: int) -> int:
    return BLANKS.match(text, at).end()  # type: ignore[union-attr]


def _value(text: str, at: int) -> tuple[Any, int]:
    return DECODER.raw_decode(text, at)


def _members(text: str, at: int) -> Iterator[tuple[str, Any, int, int]]:
    """Name, value, begin and end of the value of each member of the object at `at`, then of its end."""
    at = _after_blanks(text, at + 1)
    if text[at : at + 1] == "}":
        yield "", None, at + 1, -1
        return
    while True:
        if text[at : at + 1] != '"':
            raise NotJson("a name is missing")
        name, at = scanstring(text, at + 1, True)
        at = _after_blanks(text, at)
        if text[at : at + 1] != ":":
            raise NotJson("a colon is missing")
        begin = _after_blanks(text, at + 1)
        value, end = _value(text, begin)
        yield name, value, begin, end
        at = _after_blanks(text, end)
        if text[at : at + 1] == "}":
            yield "", None, at + 1, -1
            return
        if text[at : at + 1] != ",":
            raise NotJson("a comma is missing")
        at = _after_blanks(text, at + 1)


def _items(text: str, at: int) -> list[str | None]:
    """The items of the valid array at `at` as texts."""
    items: list[str | None] = []
    at = _after_blanks(text, at + 1)
    while text[at] != "]":
        value, end = _value(text, at)
        items.append(_as_text(value, text[at:end]))
        at = _after_blanks(text, end)
        at = _after_blanks(text, at + 1) if text[at] == "," else at
    return items


def _as_text(value: Any, written: str) -> str | None:
    """A text without its quotes; anything else as JSON without blanks."""
    if value is None:
        return None
    return HALF_CHARACTER.sub("?", value if isinstance(value, str) else compact_json(written))


def _fits(field_type: str, value: Any) -> bool:
    """Whether a value that is not null has the JSON type of the field; items of an array apart."""
    return isinstance(value, JSON_TYPES.get(field_type, str))


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
    types = {field.name: field.type for field in contract.payload}
    names: list[str] = []
    wrong: list[str] = []
    unfit = False
    begin = _after_blanks(text, 0)
    try:
        if text[begin : begin + 1] != "{" or _too_deep(text):
            raise NotJson("no object")
        for name, item, start, end in _members(text, begin):
            if end < 0:
                payload.malformed = text[start:].strip(" ") != ""
                break
            name = HALF_CHARACTER.sub("?", name)
            names.append(name)
            if name in types:
                fits = item is None or _fits(types[name], item)
                if fits or types[name] not in TYPED:
                    payload.fields[name] = _field(types[name], item, text, start, end)
                if not fits:
                    wrong.append(name)
                    unfit |= types[name] in TYPED
                elif types[name] == "strings" and not all(isinstance(part, str) for part in item or ()):
                    wrong.append(INSIDE_A_LIST)
    except (NotJson, ValueError):
        payload.malformed = True
        payload.fields = {}
        return payload
    if payload.malformed:
        return payload
    unknown = [name for name in dict.fromkeys(names) if name not in types]
    payload.repeated = len(set(names)) < len(names)
    payload.unknown_fields = ", ".join(unknown) if unknown else None
    # The oldest kinds take a number or an object for a text, unless another field is no number.
    if wrong and (contract.rules_from_fields or unfit):
        payload.wrong_type = next((name for name in wrong if name != INSIDE_A_LIST), INSIDE_A_LIST)
    return payload


def _field(field_type: str, value: Any, text: str, start: int, end: int) -> Any:
    """The value of a field that holds its type, or that takes any type as a text."""
    if value is None or field_type in ("number", "integer", "boolean"):
        return value
    return _items(text, start) if field_type == "strings" else _as_text(value, text[start:end])


def names_of(text: str | None) -> list[str] | None:
    """Names of the members of a JSON object, in order; None when the text is none."""
    try:
        if text is None or text[:1] != "{":
            return None
        return [name for name, _, _, end in _members(text, 0) if end >= 0]
    except ValueError:
        return None


def text_of_field(text: str | None, wanted: str) -> str | None:
    """The last member of that name of a JSON object as a text; None without one."""
    last = None
    try:
        if text is not None and text[:1] == "{":
            for name, value, begin, end in _members(text, 0):
                if end >= 0 and name == wanted:
                    last = _as_text(value, text[begin:end])
    except ValueError:
        return None
    return last
