"""Limits of a shop's prices and ratings, and the interval of what goes along with its discounts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.reference import shops

Floats = npt.NDArray[np.float64]
BANDS = (("0-5", 5.0), ("5-15", 15.0), ("15-30", 30.0), (">30", 100.0))  # upper limit, percent, inclusive
DRAWS = 500
LEAST_IN_BAND = 5  # products, for an interval
MOST_DRAWN = 1000  # products of a band; the mean of more is drawn from its normal limit


def bounds_of(shop: str, quantity: str, knobs: Mapping[str, Any]) -> tuple[float, float]:
    """Least and largest `price` or `rating` of a shop: of its reference list, else of `knobs`."""
    listed = shops().get(shop)
    own = (getattr(listed, f"{quantity}_{end}", None) for end in ("min", "max"))
    usual = (knobs[f"retail_{quantity}_{end}"] for end in ("min", "max"))
    low, high = (limit if given is None else given for given, limit in zip(own, usual, strict=True))
    return float(low), float(high)


def lift_interval(values: Floats, plain: Floats) -> tuple[float | None, float | None]:
    """90 % bootstrap interval of mean of `values` / mean of `plain` - 1, the same for the same values.

    None below LEAST_IN_BAND of either, and where a draw of `plain` has the mean 0.
    """
    if min(len(values), len(plain)) < LEAST_IN_BAND:
        return None, None
    random = np.random.default_rng(0)
    means = drawn_means(values, random)
    base = drawn_means(plain, random)
    if not (base > 0).all():
        return None, None
    low, high = np.quantile(means / base - 1, [0.05, 0.95])
    return float(low), float(high)


def drawn_means(values: Floats, random: np.random.Generator) -> Floats:
    """(DRAWS,) means of as many values drawn with replacement."""
    n = len(values)
    if n > MOST_DRAWN:
        return random.normal(values.mean(), values.std() / np.sqrt(n), DRAWS)
    ordered = np.sort(values)  # the same interval in whatever order they arrived
    return np.asarray(ordered[random.integers(0, n, (DRAWS, n))].mean(axis=1))
