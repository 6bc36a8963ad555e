"""Exchanges of shares by the currency of their prices: calendar, board lot, pause at noon."""

from datetime import time
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from lakehouse.reference import STRICT, listed_entries


@dataclass(frozen=True, config=STRICT)
class Exchange:
    """Where the shares of a currency are traded. `lot`: shares that are traded together.

    `pause`, `friday_pause`: begin and end of the pause at noon, where the calendar does not know it.
    """

    currency: str
    calendar: str
    lot: Annotated[int, Field(gt=0)] = 1
    closed_on_holidays_of: str | None = None  # country, ISO 3166
    pause: tuple[time, time] | None = None
    friday_pause: tuple[time, time] | None = None


@cache
def exchanges() -> dict[str, Exchange]:
    """Exchanges of shares by the currency of their prices."""
    return {entry.currency: entry for entry in listed_entries("exchanges.yml", "exchanges", Exchange)}
