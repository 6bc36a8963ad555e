"""Kind of event -> its validator."""

from collections.abc import Callable, Mapping

from lakehouse.validation import Validator

VALIDATORS: dict[str, Callable[[Mapping[str, object]], Validator]] = {}
