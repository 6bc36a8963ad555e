"""Kind of event -> its validator."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lakehouse.validation import Validator
from lakehouse.validation.in_order import DAY, NewestInOrder, utc
from lakehouse.validation.kinds.bars import BarsInOrder
from lakehouse.validation.kinds.posts import Posts
from lakehouse.validation.kinds.sensors import Sensors
from lakehouse.validation.prices.validator import PriceValidator


class ListingState(NamedTuple):
    shop: str | None
    product_id: int | None
    event_time: int | None
    rating: float | None
    num_reviews: int | None


class ListingEvidence(NamedTuple):
    num_reviews: int | None
    previous_reviews: int | None
    rating: float | None
    previous_rating: float | None


class Listings(NewestInOrder[ListingState, ListingEvidence]):
    """State: the newest time, rating and reviews of each product."""

    kind = "listing"
    reads = ListingState._fields
    evidence = ListingEvidence._fields
    newest_by = ("shop", "product_id", "event_time")
    keeps = ("rating", "num_reviews")

    def compare(self, row: ListingState) -> ListingEvidence:
        shop, product, time, rating, reviews = row
        previous = self._newest.get((shop, product))
        if previous is None or time is None or rating is None or reviews is None or time < previous[0]:
            return ListingEvidence(reviews, None, rating, None)
        return ListingEvidence(reviews, previous[2], rating, previous[1])


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


VALIDATORS: dict[str, Callable[[Mapping[str, object]], Validator]] = {
    "bar": BarsInOrder,
    "listing": Listings,
    "post": Posts,
    "price": PriceValidator,
    "sensor": Sensors,
    "stock": Stocks,
}
