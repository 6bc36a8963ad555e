"""Stock of one good at one place against the report before: it does not halve or double overnight by itself."""

from collections.abc import Mapping
from typing import NamedTuple

from lakehouse.validation.in_order import DAY, InOrder, utc

JUMP_PER_DAY = 0.5  # share of the stock before


class Stock(NamedTuple):
    entity_id: str | None
    commodity: str | None
    event_time: int | None
    quantity_kg: float | None


class Seen(NamedTuple):
    quantity_kg: float | None
    previous_kg: float | None
    previous_event_time: str | None
    days: float | None  # since then, at least one


class Stocks(InOrder[Stock, Seen]):
    """State: the newest report of each entity × commodity.

    Shipments are events of another topic, which no order ties to this one: a verdict that looked at them would depend on which
    of the two was read first. So the warning says that the stock jumped; whether a delivery explains it is told where both are
    at rest.
    """

    kind = "stock"
    reads = Stock._fields
    rules = {
        "stock_jump": lambda seen: (
            seen.previous_kg is not None
            and abs(seen.quantity_kg - seen.previous_kg) > JUMP_PER_DAY * seen.previous_kg * seen.days
        )
    }
    newest_by = ("entity_id", "commodity", "event_time")

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._newest: dict[tuple[str, str], tuple[int, float]] = {}

    def compare(self, row: Stock) -> Seen:
        entity, commodity, time, quantity = row
        previous = self._newest.get((entity, commodity))  # type: ignore[arg-type]  # None is no key that was taken up
        if previous is None or time is None or quantity is None or time < previous[0]:
            return Seen(quantity, None, None, None)
        return Seen(quantity, previous[1], utc(previous[0]), max(1.0, (time - previous[0]) / DAY))

    def take_up(self, row: Stock) -> None:
        entity, commodity, time, quantity = row
        if entity is None or commodity is None or time is None or quantity is None:
            return
        previous = self._newest.get((entity, commodity))
        if previous is None or time >= previous[0]:
            self._newest[entity, commodity] = (time, quantity)
