"""A rule's message with its values: one template syntax, rendered here by Python and in Spark by its SQL."""

import re
from collections.abc import Callable, Mapping

EXPRESSION = re.compile(r"\{([^{}]+)\}")
# Longer values are cut, in Python as in Spark.
LONGEST_VALUE = 120


def template_parts(message: str) -> tuple[list[str], list[str]]:
    """(texts, expressions) of a message: the text before each {expression}, and one text after the last."""
    parts = EXPRESSION.split(message)
    return parts[::2], parts[1::2]


def plain_number(value: float) -> str:
    """A number with up to six significant digits."""
    return f"{value:.6g}"


def price_number(value: float) -> str:
    """Rupiah in whole numbers with separators, anything below a thousand with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def render_message(
    message: str, values: Mapping[str, object], number: Callable[[float], str] = plain_number
) -> str:
    """The message with every {name} replaced by the value of that name.

    Raises KeyError for a name without a value.
    """
    texts, names = template_parts(message)
    shown = [_shown(values[name], number) for name in names]
    return "".join(part for pair in zip(texts, [*shown, ""], strict=True) for part in pair)


def _shown(value: object, number: Callable[[float], str]) -> str:
    if value is None:
        return "null"
    return number(value) if isinstance(value, float) else str(value)[:LONGEST_VALUE]
