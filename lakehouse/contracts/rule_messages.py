"""A rule's message with its values: one template syntax, and one way of writing values."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from math import floor, isfinite, log10

KNOB = re.compile(r"\$\{(\w+)\}")
EXPRESSION = re.compile(r"\{([^{}]+)\}")
LONGEST_VALUE = 120  # characters; longer values are cut
DIGITS = 6


def template_parts(message: str) -> tuple[list[str], list[str]]:
    """(texts, expressions) of a message: the text before each {expression}, and one text after the last."""
    parts = EXPRESSION.split(message)
    return parts[::2], parts[1::2]


def render_message(message: str, values: Mapping[str, object]) -> str:
    """The message with every {name} replaced by the value of that name.

    Raises KeyError for a name without a value.
    """
    texts, names = template_parts(message)
    return joined(texts, [value_text(values[name]) for name in names])


def joined(texts: list[str], values: list[str]) -> str:
    """The message of `template_parts` with the values of its expressions."""
    return "".join(part for pair in zip(texts, [*values, ""], strict=True) for part in pair)


def value_text(value: object) -> str:
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
    return str(value)[:LONGEST_VALUE]


def number_text(value: float) -> str:
    """Six significant digits; of a larger number all whole digits and two decimals.

    0.336472, 25374.58, 10000000; with an exponent below 0.0001 and from 1e+16 on.
    """
    if value == 0 or not isfinite(value):
        return f"{value + 0.0:g}"  # no minus before a zero
    decimals = DIGITS - 1 - floor(log10(abs(value)))
    return repr(round(float(value), max(decimals, 2))).removesuffix(".0")
