"""Values as texts, written as Java writes them: messages and JSON of earlier batches look the same."""

from datetime import UTC, date, datetime
from math import isfinite
from typing import Any

# From these powers of ten on a number is written with an exponent.
SMALLEST_PLAIN = 1e-3
LARGEST_PLAIN = 1e7
SMALLEST = 5e-324  # above zero


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

