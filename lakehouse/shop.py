"""Figures of a shop's products in their newest state, per category: discounts, ratings, satisfaction.

`Products`: arrays of one length, the products of a category, named as the columns of silver.listings.
"""

from collections.abc import Mapping
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.reference import shops

Floats = npt.NDArray[np.float64]
Products = Mapping[str, npt.NDArray[Any]]
BANDS = (("0-5", 5.0), ("5-15", 15.0), ("15-30", 30.0), (">30", 100.0))  # upper limit, percent, inclusive
DRAWS = 500
LEAST_IN_BAND = 5  # products, for an interval
MOST_DRAWN = 1000  # products of a band; the mean of more is drawn from its normal limit
LEAST_CORRELATED = 20  # products
RATING_BANDS = 10
HIGH_RATING = 0.75  # of the scale: 4 of 1 to 5
LARGEST_WHOLE = 2**53 - 1  # that JSON holds exactly
Z_95 = NormalDist().inv_cdf(0.975)


def bounds_of(shop: str, quantity: str, knobs: Mapping[str, Any]) -> tuple[float, float]:
    """Least and largest `price` or `rating` of a shop: of its reference list, else of `knobs`."""
    listed = shops().get(shop)
    own = (getattr(listed, f"{quantity}_{end}", None) for end in ("min", "max"))
    usual = (knobs[f"retail_{quantity}_{end}"] for end in ("min", "max"))
    low, high = (limit if given is None else given for given, limit in zip(own, usual, strict=True))
    return float(low), float(high)


def net_prices(products: Products) -> Floats:
    """List price less the discount."""
    return np.asarray(products["price"] * (1 - products["discount_pct"] / 100), dtype=float)


def whole_sum(values: npt.NDArray[Any]) -> int:
    """The exact sum, at most LARGEST_WHOLE."""
    return min(int(sum(values.tolist())), LARGEST_WHOLE)


def discount_rows(products: Products) -> list[dict[str, Any]]:
    """Rows of gold.discount_effect for the bands that hold a product."""
    discount = products["discount_pct"].astype(float)
    units = products["sales"].astype(float)
    revenue = net_prices(products) * units
    band = np.searchsorted([limit for _, limit in BANDS[:-1]], discount, side="left")
    plain = band == 0
    rows = []
    for number, (name, _) in enumerate(BANDS):
        own = band == number
        if not own.any():
            continue
        mean_discount = float(discount[own].mean())
        low, high = lift_interval(revenue[own], revenue[plain]) if number else (None, None)
        kept = 1 - mean_discount / 100
        rows.append(
            {
                "discount_band": name,
                "products": int(own.sum()),
                "units_sold": whole_sum(products["sales"][own]),
                "revenue": float(revenue[own].sum()),
                "average_discount_pct": mean_discount,
                "lift_units": lift(units[own], units[plain]),
                "lift_revenue": lift(revenue[own], revenue[plain]),
                "lift_revenue_low": low,
                "lift_revenue_high": high,
                "break_even_lift": 1 / kept - 1 if kept > 0 else None,
                "effective": None if low is None else low > 0,
            }
        )
    return rows


def lift(values: Floats, plain: Floats) -> float | None:
    """Mean of `values` / mean of `plain` - 1; None where `plain` is empty or has the mean 0."""
    base = float(plain.mean()) if len(plain) else 0.0
    return float(values.mean()) / base - 1 if base > 0 else None


def lift_interval(values: Floats, plain: Floats) -> tuple[float | None, float | None]:
    """90 % bootstrap interval of `lift`, the same for the same values. None below LEAST_IN_BAND.

    None also where a draw of `plain` has the mean 0.
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


def price_rating_row(products: Products) -> dict[str, Any]:
    """The row of gold.price_rating."""
    price = net_prices(products)
    rating = products["rating"].astype(float)
    pearson = correlation(price, rating)
    low, high = fisher_interval(pearson, len(price))
    return {
        "correlation": pearson,
        "spearman": correlation(mean_ranks(price), mean_ranks(rating)),
        "ci_low": low,
        "ci_high": high,
        "n": len(price),
        "average_price": float(products["price"].mean()),
        "average_rating": float(rating.mean()),
        "bands": rating_bands(price, rating),
    }


def correlation(first: Floats, second: Floats) -> float | None:
    """Pearson's r; None below LEAST_CORRELATED values, or when a side does not vary."""
    if len(first) < LEAST_CORRELATED or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))


def mean_ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def fisher_interval(r: float | None, n: int) -> tuple[float | None, float | None]:
    """95 % interval of Pearson's r: tanh(atanh r ± 1.96 / √(n − 3)) (Fisher 1921)."""
    if r is None:
        return None, None
    if abs(r) == 1:
        return r, r
    half = Z_95 / np.sqrt(n - 3)
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def rating_bands(price: Floats, rating: Floats) -> list[dict[str, Any]]:
    """Mean rating with its 95 % interval in RATING_BANDS bands of as many products, cheapest first."""
    n = len(price)
    if n < LEAST_CORRELATED:
        return []
    order = np.lexsort((rating, price))
    edges = np.linspace(0, n, min(RATING_BANDS, n // 5) + 1).round().astype(int)
    bands = []
    for start, end in pairwise(edges.tolist()):
        part = order[start:end]
        mean = float(rating[part].mean())
        half = Z_95 * float(rating[part].std(ddof=1)) / np.sqrt(len(part))
        bands.append(
            {
                "price_low": float(price[part[0]]),
                "price_high": float(price[part[-1]]),
                "products": len(part),
                "rating": mean,
                "rating_low": mean - half,
                "rating_high": mean + half,
            }
        )
    return bands


def satisfaction_row(
    products: Products, shop_rating: float, shop_reviews: float, scale: tuple[float, float]
) -> dict[str, Any]:
    """The row of gold.customer_satisfaction.

    `shop_rating`: mean rating, `shop_reviews`: median number of reviews, both of all products.
    `scale`: lowest and highest rating.
    """
    lowest, highest = scale
    rating = products["rating"].astype(float)
    reviews = products["num_reviews"].astype(float)
    weight = shop_reviews + reviews.sum()
    bayesian = shop_rating
    if weight > 0:
        bayesian = (shop_reviews * shop_rating + float((reviews * rating).sum())) / weight
    units = float(products["sales"].sum(dtype=float))
    return {
        "products": len(rating),
        "average_rating": float(rating.mean()),
        "bayesian_rating": float(bayesian),
        "satisfaction_index": 100 * (float(bayesian) - lowest) / (highest - lowest),
        "reviews": whole_sum(products["num_reviews"]),
        "high_rating_pct": 100 * float((rating >= lowest + HIGH_RATING * (highest - lowest)).mean()),
        "engagement": float(reviews.sum()) / units if units > 0 else 0.0,
        "stock_quantity": whole_sum(products["stock_quantity"]),
        "sold_out": int((products["stock_quantity"] == 0).sum()),
        "days_of_cover": days_of_cover(products),
    }


def days_of_cover(products: Products) -> float | None:
    """Stock / units a day since the product was first offered, of products older than a day."""
    age = products["age_days"].astype(float)
    known = age >= 1
    per_day = float((products["sales"][known] / age[known]).sum())
    return float(products["stock_quantity"][known].sum(dtype=float)) / per_day if per_day > 0 else None
