"""Rows of gold.price_elasticity and gold.discount_lift of a shop, or why nothing is known."""

from itertools import pairwise
from math import ceil
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.shop import BANDS
from ml.sales.elasticity import Law, Measured, log_net_price, measure
from ml.sales.load import SalesRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Row = dict[str, Any]
LEAST_DAYS = 28  # of a product
LEAST_PRODUCTS = 5  # of a category
LEAST_SPREAD = 0.03  # sd of the log net price that nothing explains
NEWEST_DAYS = 28
ALL_PRODUCTS = 0  # the number of no product: a row of the whole category
Z_90 = NormalDist().inv_cdf(0.95)
TEST_STEP = np.log(1.1)  # of log price, between the two prices of a test
TEST_Z = Z_90 + NormalDist().inv_cdf(0.8)
NO_SERIES = "the shop does not report its products day after day"
FEW_DAYS = f"fewer than {LEAST_DAYS} days with stock and a price"
FEW_PRODUCTS = f"fewer than {LEAST_PRODUCTS} products have {LEAST_DAYS} days with stock and a price"
STEADY = "the price hardly varied"


def elasticity_tables(rows: SalesRows, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows of both tables, without shop and origin. A category that cannot be measured has no lifts."""
    used = usable_days(rows)
    measured = measure(rows.at(used), seed) if len(used) else None
    left = np.full(len(rows), np.nan)
    if measured:
        left[used] = measured.price_left
    elasticities: list[Row] = []
    lifts: list[Row] = []
    for name in np.unique(rows.category).tolist():
        law = measured.laws.get(name) if measured else None
        own = used[rows.category[used] == name] if law else np.flatnonzero(rows.category == name)
        reason = None if law else FEW_PRODUCTS if rows.series else NO_SERIES
        if law and left[own].std() < LEAST_SPREAD:
            reason = STEADY
        elasticity = (float(law.weights[0]), float(np.sqrt(law.covariance[0, 0]))) if law else None
        row = row_of(rows.at(own), left[own], law, elasticity, reason)
        products = product_rows(rows, left, law, measured, name, reason) if rows.series else []
        sold = [each for each in products if each["days"] >= LEAST_DAYS] or products
        if sold:  # a typical product: the whole category has no price
            row |= {key: float(np.mean([each[key] for each in sold])) for key in ("units_a_day", "price")}
            row["test_days"] = test_days(row["units_a_day"], law.dispersion if law else 1.0)
        elasticities += [row | {"product_id": ALL_PRODUCTS, "product_name": ""}, *products]
        if law and reason is None:
            lifts += lift_rows(rows.at(own), law)
    return elasticities, lifts


def usable_days(rows: SalesRows) -> Ints:
    """Rows with a net price, of products with LEAST_DAYS and sales, in categories with LEAST_PRODUCTS."""
    product = np.unique(rows.product, return_inverse=True)[1]
    used = (rows.inputs["price"] > 0) & (rows.inputs["discount_pct"] < 100) & rows.series
    sold = np.bincount(product, rows.sales * used) > 0
    used &= ((np.bincount(product, used) >= LEAST_DAYS) & sold)[product]
    category = np.unique(rows.category, return_inverse=True)[1]
    pairs = np.unique(np.column_stack([category, product])[used], axis=0)
    products = np.bincount(pairs[:, 0], minlength=category.max() + 1)
    return np.flatnonzero(used & (products >= LEAST_PRODUCTS)[category])


def product_rows(
    rows: SalesRows,
    left: Floats,
    law: Law | None,
    measured: Measured | None,
    category: str,
    refused: str | None,
) -> list[Row]:
    """A row of each product of the category; refused like the category, or for reasons of its own."""
    own = np.flatnonzero(rows.category == category)
    numbers, place = np.unique(rows.product[own], return_inverse=True)
    products = []
    for number, product in enumerate(numbers.tolist()):
        days = own[place == number]
        kept = days[~np.isnan(left[days])]
        elasticity, reason = None, refused
        if law and measured and len(kept):
            at = int(np.searchsorted(measured.product, product))
            elasticity = float(measured.elasticity[at]), float(measured.error[at])
            reason = reason or (STEADY if left[kept].std() < LEAST_SPREAD else None)
        days = kept if len(kept) else days
        row = row_of(rows.at(days), left[days], law, elasticity, reason or (None if elasticity else FEW_DAYS))
        products.append(row | {"product_id": product, "product_name": str(rows.product_name[days[-1]])})
    return products


def row_of(
    days: SalesRows, left: Floats, law: Law | None, elasticity: tuple[float, float] | None, reason: str | None
) -> Row:
    """The row of these days, oldest first. `elasticity`: with its standard error."""
    measured = elasticity if reason is None else None
    effect = float(law.weights[1]) if law and measured else None
    price = float(days.inputs["price"][-1])
    units = units_a_day(days, price, measured[0] if measured else 0.0, effect or 0.0)
    half = Z_90 * measured[1] if measured else 0.0
    return {
        "category": str(days.category[-1]),
        "elasticity": measured[0] if measured else None,
        "elasticity_low": measured[0] - half if measured else None,
        "elasticity_high": measured[0] + half if measured else None,
        "discount_effect": effect,
        "naive_elasticity": naive_elasticity(days),
        "verdict": "measured" if measured else "refused",
        "reason": reason,
        "price_spread": 0.0 if np.isnan(left).any() else float(left.std()),
        "days": len(days),
        "units_a_day": units,
        "price": price,
        "price_low": float(days.inputs["price"].min()),
        "price_high": float(days.inputs["price"].max()),
        "test_days": test_days(units, law.dispersion if law else 1.0),
    }


def units_a_day(days: SalesRows, price: float, elasticity: float, effect: float) -> float:
    """Mean of the newest days, at this list price without discount as far as the elasticity is known.

    Where the shop does not report day after day: units since the product was added, by day.
    """
    if not days.series:
        return float((days.sales / np.maximum(days.day - days.others["date_added"], 1)).mean())
    newest = days.at(np.flatnonzero(days.day > days.day.max() - NEWEST_DAYS))
    if not elasticity or price <= 0:
        return float(newest.sales.mean())
    logs = elasticity * (log_net_price(newest) - np.log(price))
    return float(newest.sales.sum() / np.exp(logs + effect * newest.inputs["discount_pct"] / 100).sum())


def naive_elasticity(days: SalesRows) -> float | None:
    """Slope of log units on log net price; None where that does not vary."""
    priced = days.at(np.flatnonzero((days.inputs["price"] > 0) & (days.inputs["discount_pct"] < 100)))
    logs = log_net_price(priced)
    if len(logs) < 2 or np.ptp(logs) < 1e-9:
        return None
    return float(np.polyfit(logs - logs.mean(), np.log(np.maximum(priced.sales, 0.5)), 1)[0])


def test_days(units: float, dispersion: float) -> int | None:
    """Days of a test, half at each of two prices 10 % apart, that shows an elasticity of 1.

    At the 90 % level with a power of 80 %: the log of the ratio of two means of n / 2 days each has the
    variance 4 * dispersion / (n * units). None when nothing sells.
    """
    return ceil(4 * dispersion * (TEST_Z / TEST_STEP) ** 2 / units) if units > 0 else None


def lift_rows(days: SalesRows, law: Law) -> list[Row]:
    """The lift of each band of discounts that was given; its interval by the delta method, of the log."""
    discount = days.inputs["discount_pct"]
    bands = []
    for (_, above), (name, most) in pairwise(BANDS):
        own = (above < discount) & (discount <= most)
        if not own.any() or not law.covariance[1, 1]:
            continue
        mean = float(discount[own].mean())
        slope = np.array([np.log(1 - mean / 100), mean / 100])
        log_lift, half = float(slope @ law.weights), Z_90 * float(np.sqrt(slope @ law.covariance @ slope))
        lift, low, high = (float(np.expm1(log_lift + shift)) for shift in (0.0, -half, half))
        bands.append(
            {"category": str(days.category[0]), "discount_band": name, "average_discount_pct": mean}
            | {"days": int(own.sum()), "lift_units": lift, "lift_low": low, "lift_high": high}
        )
    return bands
