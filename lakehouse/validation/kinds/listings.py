"""The state of a product compared with its state before: reviews do not fall, ratings do not leap."""

from typing import NamedTuple

from lakehouse.validation.in_order import NewestInOrder


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

    def remember(self, row: ListingState) -> None:
        shop, product, time, rating, reviews = row
        if shop is None or product is None or time is None or rating is None or reviews is None:
            return
        previous = self._newest.get((shop, product))
        if previous is None or time >= previous[0]:
            self._newest[shop, product] = (time, rating, reviews)
