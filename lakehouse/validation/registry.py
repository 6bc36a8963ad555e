"""Kind of event -> its validator."""

from collections.abc import Callable, Mapping

from lakehouse.validation import Validator
from lakehouse.validation.prices import PriceValidator

VALIDATORS: dict[str, Callable[[Mapping[str, object]], Validator]] = {"price": PriceValidator}
