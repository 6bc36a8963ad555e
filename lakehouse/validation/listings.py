"""A product's state against its state before: reviews are not taken back, a rating does not leap without new ones."""

from collections.abc import Mapping
from typing import NamedTuple

from lakehouse.validation.in_order import InOrder

RATING_LEAP = 1.0  # points
FEW_REVIEWS = 5


class Listing(NamedTuple):
    product_id: int | None
    event_time: int | None
    rating: float | None
    num_reviews: int | None


class Seen(NamedTuple):
    num_reviews: int | None
    previous_reviews: int | None
    rating: float | None
    previous_rating: float | None


class Listings(InOrder[Listing, Seen]):
    """State: the newest state of each product."""

    kind = "listing"
    reads = Listing._fields
    rules = {
        "reviews_fall": lambda seen: seen.previous_reviews is not None and seen.num_reviews < seen.previous_reviews,
        "rating_leap": lambda seen: (
            seen.previous_reviews is not None
            and abs(seen.rating - seen.previous_rating) > RATING_LEAP
            and seen.num_reviews - seen.previous_reviews < FEW_REVIEWS
        ),
    }
    newest_by = ("product_id", "event_time")

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._newest: dict[int, tuple[int, float, int]] = {}

    def compare(self, row: Listing) -> Seen:
        previous = self._newest.get(row[0])  # type: ignore[arg-type]  # None is no key that was taken up
        _, time, rating, reviews = row
        if previous is None or time is None or rating is None or reviews is None or time < previous[0]:
            return Seen(reviews, None, rating, None)
        return Seen(reviews, previous[2], rating, previous[1])

    def take_up(self, row: Listing) -> None:
        product, time, rating, reviews = row
        if product is None or time is None or rating is None or reviews is None:
            return
        previous = self._newest.get(product)
        if previous is None or time >= previous[0]:
            self._newest[product] = (time, rating, reviews)
