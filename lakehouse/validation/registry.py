"""Kind of event -> its validator."""

from collections.abc import Callable, Mapping

from lakehouse.validation import Validator
from lakehouse.validation.bars import Bars
from lakehouse.validation.listings import Listings
from lakehouse.validation.posts import Posts
from lakehouse.validation.prices import PriceValidator
from lakehouse.validation.sensors import Sensors
from lakehouse.validation.stocks import Stocks

VALIDATORS: dict[str, Callable[[Mapping[str, object]], Validator]] = {
    "bar": Bars,
    "listing": Listings,
    "post": Posts,
    "price": PriceValidator,
    "sensor": Sensors,
    "stock": Stocks,
}
