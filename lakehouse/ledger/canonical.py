"""The canonical JSON of RFC 8785 for recorded values: equal data gives equal bytes on every machine."""

import hashlib
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from lakehouse.times import rfc3339

LARGEST_INTEGER = 2**53 - 1  # RFC 8785 numbers are IEEE 754 doubles; beyond this two integers share one


def decimal_text(value: Decimal) -> str:
    """Plain digits without exponent and trailing zeros: 11500.50 -> 11500.5.

    Raises ValueError unless finite.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite number")
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def time_text(value: datetime) -> str:
    """UTC with microseconds and Z. Raises ValueError for a time without zone: it means no certain moment."""
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return rfc3339(value)


def plain(value: Any) -> Any:
    """The value as JSON to be recorded: decimals, times, days and bytes (hexadecimal) as text, keys in order.

    Raises TypeError for floats and other values without a single form, ValueError for integers beyond 2^53 -
    1.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(f"{value} is no exact number in JSON; record it as text")
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(value[name]) for name in sorted(value, key=utf16)}
    raise TypeError(f"{type(value).__name__} has no canonical form; record amounts as decimals")


def utf16(name: Any) -> bytes:
    """Sort key of RFC 8785, 3.2.3: UTF-16 code units. Raises TypeError for what is no text."""
    if not isinstance(name, str):
        raise TypeError(f"the key {name!r} is not text")
    return name.encode("utf-16-be")


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes.

    Raises TypeError or ValueError for values without canonical form, such as a lone surrogate.
    """
    return orjson.dumps(plain(value))  # orjson escapes text exactly as RFC 8785, 3.2.2.2 requires


def digest(body: bytes) -> str:
    """SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()
