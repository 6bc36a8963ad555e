"""Which kinds are judged by what came before, and by whom."""

from collections.abc import Callable, Mapping

from lakehouse.validation import Validator
from lakehouse.validation.prices import PriceValidator

# kind -> validator; the argument is settings().validation.model_dump()
VALIDATORS: dict[str, Callable[[Mapping[str, object]], Validator]] = {"price": PriceValidator}
