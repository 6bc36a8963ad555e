"""Values as texts, written as Java writes them: messages and JSON of earlier batches look the same."""

import json
import re
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any

# From these powers of ten on a number is written with an exponent.
SMALLEST_PLAIN = 1e-3
LARGEST_PLAIN = 1e7
SMALLEST = 5e-324  # above zero
ESCAPED = re.compile('[\x00-\x1f"\\\\\U00010000-\U0010ffff]')  # the last: what takes two UTF-16 units
SHORT_ESCAPES = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}


def value_text(value: Any) -> str:
    """A value as it stands in a message: null as `null`, times in UTC."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return number_text(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
        case date():
            return value.isoformat()
    return str(value)


def number_text(value: float) -> str:
    """The shortest text of a double as Double.toString writes it since Java 19: 1.0E7 is ten millions."""
    if not isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    if abs(value) == SMALLEST:
        return repr(value).replace("5e", "4.9E")  # Java writes two digits at least
    if value == 0 or SMALLEST_PLAIN <= abs(value) < LARGEST_PLAIN:
        return repr(value)
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if value < 0 else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + (len(whole) - 1 if whole != "0" else len(digits) - len(fraction) - 1)
    digits = digits.rstrip("0")
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{power}"


class _Number(str):
    """A number as it is written."""


class _Object(list[tuple[str, Any]]):
    """Members of an object in their order, repeated ones among them."""


_DECODER = json.JSONDecoder(
    parse_float=lambda text: _Number(_json_number(float(text))),
    parse_int=lambda text: _Number(int(text)),
    object_pairs_hook=_Object,
)


def _json_number(value: float) -> str:
    return number_text(value) if isfinite(value) else f'"{number_text(value)}"'


def compact_json(text: str) -> str:
    """The same JSON without blanks, numbers as Java writes them. `text`: one valid JSON value."""
    return _compact(_DECODER.raw_decode(text)[0])


def _compact(value: Any) -> str:
    match value:
        case _Number():
            return str(value)
        case _Object():
            return "{" + ",".join(f"{_quoted(name)}:{_compact(item)}" for name, item in value) + "}"
        case list():
            return "[" + ",".join(map(_compact, value)) + "]"
        case str():
            return _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    def escape(character: re.Match[str]) -> str:
        units = character[0].encode("utf-16-be")
        pairs = (units[nth : nth + 2].hex().upper() for nth in range(0, len(units), 2))
        return SHORT_ESCAPES.get(character[0]) or "".join(f"\\u{unit}" for unit in pairs)

    return f'"{ESCAPED.sub(escape, text)}"'
