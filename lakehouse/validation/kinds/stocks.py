"""Stock of one commodity at one place compared with the report before."""

from typing import NamedTuple

from lakehouse.validation.in_order import DAY, NewestInOrder, utc


class Stock(NamedTuple):
    entity_id: str | None
    commodity: str | None
    event_time: int | None
    quantity_kg: float | None


class StockEvidence(NamedTuple):
    quantity_kg: float | None
    previous_kg: float | None
    previous_event_time: str | None
    # Since the report before, at least one.
    days: float | None


class Stocks(NewestInOrder[Stock, StockEvidence]):
    """State: the newest report of each entity × commodity.

    Shipments are events of another topic, and no order is promised between topics: a verdict that read them
    would depend on which of the two was read first. So the rule reports that the stock jumped, and leaves
    shipments out.
    """

    kind = "stock"
    reads = Stock._fields
    evidence = StockEvidence._fields
    newest_by = ("entity_id", "commodity", "event_time")
    keeps = ("quantity_kg",)

    def compare(self, row: Stock) -> StockEvidence:
        entity, commodity, time, quantity = row
        previous = self._newest.get((entity, commodity))
        if previous is None or time is None or quantity is None or time < previous[0]:
            return StockEvidence(quantity, None, None, None)
        days = max(1.0, (time - previous[0]) / DAY)
        return StockEvidence(quantity, previous[1], utc(previous[0]), days)

    def remember(self, row: Stock) -> None:
        entity, commodity, time, quantity = row
        if entity is None or commodity is None or time is None or quantity is None:
            return
        previous = self._newest.get((entity, commodity))
        if previous is None or time >= previous[0]:
            self._newest[entity, commodity] = (time, quantity)
