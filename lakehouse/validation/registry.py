"""Kind of event -> its validator."""

from collections.abc import Callable, Mapping

from lakehouse.validation import Validator
from lakehouse.validation.kinds.bars import BarsInOrder
from lakehouse.validation.kinds.listings import Listings
from lakehouse.validation.kinds.posts import Posts
from lakehouse.validation.kinds.sensors import Sensors
from lakehouse.validation.kinds.stocks import Stocks
from lakehouse.validation.prices.validator import PriceValidator

VALIDATORS: dict[str, Callable[[Mapping[str, object]], Validator]] = {
    "bar": BarsInOrder,
    "listing": Listings,
    "post": Posts,
    "price": PriceValidator,
    "sensor": Sensors,
    "stock": Stocks,
}
