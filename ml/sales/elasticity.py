"""How units follow the price and the discount, by double machine learning.

A regression of units on prices confounds cause and effect where a shop raises prices as demand rises. Here
boosted trees first forecast the price, the discount and the units of each product and day from what moves all
of them: category, day, weekday, reviews, past discounts and the other products of the category. They never
forecast a product that they learned from (cross-fitting). A Poisson regression then explains the units by
what is left of price and discount:
    units ~ Poisson(forecast * exp(a + e * rest of log net price + effect * rest of discount)).
The units are forecast ROUNDS times, each time freed of the price and the discount as far as these are known.
Formulas: Robinson (1988), Chernozhukov et al. (2018); two clusters: Cameron, Gelbach and Miller (2011);
spread between products and shrinkage: DerSimonian and Laird (1986), Morris (1983).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold

from ml.sales.load import SalesRows
from ml.sales.stack import MOST_CATEGORIES, Folds, categories_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
FOLDS = 5  # at most as many as products
ROUNDS = 3
LEAST_DISCOUNTS = 0.01  # sd of what is left of the discount share; with less there is no effect to measure
LEAST_TAU = 0.1  # sd of the elasticity between products: its estimate is 0 by chance at times


@dataclass(frozen=True)
class Law:
    """What was measured of a category.

    `weights`: elasticity, and effect of the discount share on log units; `covariance` (2, 2). `dispersion`:
    variance of the units over their mean.
    """

    weights: Floats
    covariance: Floats
    dispersion: float


@dataclass(frozen=True)
class Measured:
    """The laws of the categories; of each product its number, elasticity and the standard error of it, each
    (products,); and (rows,) what is left of the log net price."""

    laws: dict[str, Law]
    product: Ints
    elasticity: Floats
    error: Floats
    price_left: Floats


def measure(rows: SalesRows, seed: int) -> Measured:
    """The laws of the categories, and of the products, which are shrunk towards their category.

    `rows`: of a series, several products a category, all net prices above 0, every product with units.
    """
    names, category = np.unique(rows.category, return_inverse=True)
    numbers, product = np.unique(rows.product, return_inverse=True)
    logs, share = log_net_price(rows), rows.inputs["discount_pct"] / 100
    price, discount = logs - means(logs, product), share - means(share, product)
    same_day = np.unique(category * 1e6 + np.floor(rows.day), return_inverse=True)[1]
    columns = np.column_stack([controls(rows, product), others_mean(price, np.ones(len(rows)), same_day)])
    splitter = GroupKFold(min(FOLDS, len(numbers)), shuffle=True, random_state=seed)
    folds = list(splitter.split(columns, groups=product))
    left = np.column_stack([each - cross_fitted(columns, each, folds, seed) for each in (price, discount)])
    if left[:, 1].std() < LEAST_DISCOUNTS:
        left[:, 1] = 0.0
    slopes, effects = np.zeros((2, len(rows)))
    for _ in range(ROUNDS):
        known = np.exp(slopes * price + effects * discount)
        exposure = known * (np.bincount(product, rows.sales) / np.bincount(product, known))[product]
        ratio = rows.sales / exposure
        inputs = np.column_stack([columns, others_mean(ratio, exposure, same_day)])
        expected = exposure * cross_fitted(inputs, ratio, folds, seed, exposure)
        expected /= np.exp(slopes * left[:, 0] + effects * left[:, 1])  # the regression finds it again
        parts = [np.flatnonzero(category == number) for number in range(len(names))]
        week = np.floor(rows.day / 7).astype(int)
        fits = [fit_law(left[own], rows.sales[own], expected[own], product[own], week[own]) for own in parts]
        effects = np.array([law.weights[1] for law in fits])[category]
        expected = expected * np.exp(effects * left[:, 1])
        elasticity, error = fit_products(left[:, 0], rows.sales, expected, product, week, category, fits)
        slopes = elasticity[product]
    return Measured(dict(zip(names.tolist(), fits, strict=True)), numbers, elasticity, error, left[:, 0])


def controls(rows: SalesRows, product: Ints) -> Floats:
    """(rows, columns) that may move price, discount and units together; the first is the category."""
    names = categories_of(rows)
    codes = {name: number for number, name in enumerate(names)}
    category = [codes.get(name, MOST_CATEGORIES) for name in rows.category]
    reviews = np.log1p(rows.inputs["num_reviews"])
    day = np.floor(rows.day)
    own = [reviews - means(reviews, product), rows.inputs["rating"], *rows.past.T]
    return np.column_stack([category, day, day % 7, *own])


def cross_fitted(
    columns: Floats, target: Floats, folds: Folds, seed: int, weight: Floats | None = None
) -> Floats:
    """(rows,) forecast by boosted trees that were fitted without the row's product.

    With `weight`: of a ratio of counts, by the Poisson loss.
    """
    forecast = np.empty(len(target))
    for train, test in folds:
        trees = HistGradientBoostingRegressor(
            loss="squared_error" if weight is None else "poisson",
            max_leaf_nodes=8,
            early_stopping=False,
            categorical_features=[0],
            random_state=seed,
        )
        trees.fit(columns[train], target[train], None if weight is None else weight[train])
        forecast[test] = trees.predict(columns[test])
    return forecast


def log_net_price(rows: SalesRows) -> Floats:
    """(rows,) log of the list price less the discount."""
    return np.asarray(np.log(rows.inputs["price"] * (1 - rows.inputs["discount_pct"] / 100)))


def means(values: Floats, group: Ints) -> Floats:
    """(rows,) mean of the row's group."""
    return np.asarray((np.bincount(group, values) / np.bincount(group))[group])


def others_mean(values: Floats, weight: Floats, group: Ints) -> Floats:
    """(rows,) weighted mean of the other rows of the group; NaN where there is none."""
    total, weights = (np.bincount(group, each)[group] for each in (values * weight, weight))
    alone = np.bincount(group)[group] == 1
    return np.where(alone, np.nan, (total - values * weight) / np.where(alone, 1.0, weights - weight))


def fit_law(left: Floats, units: Floats, expected: Floats, product: Ints, week: Ints) -> Law:
    """The Poisson regression of a category. Errors are alike within a product, and within a week."""
    columns = np.column_stack([np.ones(len(units)), left])
    weights = np.zeros(columns.shape[1])
    for _ in range(30):
        mean = expected * np.exp(columns @ weights)
        bread = np.linalg.pinv(columns.T @ (mean[:, None] * columns), hermitian=True)
        step = np.clip(bread @ (columns.T @ (units - mean)), -1, 1)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    scores = columns * (units - mean)[:, None]
    by_product, by_week = (clustered(scores, each) for each in (product, week))
    meat = by_product + by_week - clustered(scores, product * (int(week.max()) + 1) + week)
    covariance = bread @ (meat if (np.diag(meat) >= np.diag(by_product)).all() else by_product) @ bread
    return Law(weights[1:], covariance[1:, 1:], float(((units - mean) ** 2).sum() / mean.sum()))


def clustered(scores: Floats, cluster: Ints) -> Floats:
    """(columns, columns) sum over clusters of the squares of their summed scores."""
    number = np.unique(cluster, return_inverse=True)[1]
    summed = np.column_stack([np.bincount(number, column) for column in scores.T])
    return np.asarray(summed.T @ summed * len(summed) / max(len(summed) - 1, 1))


def fit_products(
    left: Floats,
    units: Floats,
    expected: Floats,
    product: Ints,
    week: Ints,
    category: Ints,
    laws: Sequence[Law],
) -> tuple[Floats, Floats]:
    """Elasticity of each product and its standard error, (products,) each.

    The error is that of the product, with weeks as clusters, shrunk, and that of the category.
    """
    of_product = np.zeros(product.max() + 1, dtype=int)
    of_product[product] = category
    center = np.array([law.weights[0] for law in laws])[of_product]
    level, slope = np.zeros(len(center)), center.copy()
    for _ in range(30):
        mean = expected * np.exp(level[product] + slope[product] * left)
        total, first, second = (np.bincount(product, mean * left**power) for power in range(3))
        about = left - (first / total)[product]
        information = second - first**2 / total + 1e-6
        step = np.clip(np.bincount(product, about * (units - mean)) / information, -1, 1)
        slope += step
        level += np.log(np.bincount(product, units) / total) - step * first / total
        if np.abs(step).max() < 1e-6:
            break
    weeks = np.unique(np.column_stack([product, week]), axis=0, return_inverse=True)[1].ravel()
    own = np.zeros(weeks.max() + 1, dtype=int)
    own[weeks] = product
    meat = np.bincount(own, np.bincount(weeks, about * (units - mean)) ** 2)
    variance = np.maximum(meat / information**2, 1 / information)
    between = between_products(slope - center, variance, of_product)
    kept = between / (between + variance)
    shared = np.array([law.covariance[0, 0] for law in laws])[of_product]
    return center + kept * (slope - center), np.sqrt(kept * variance + shared)


def between_products(deviation: Floats, variance: Floats, category: Ints) -> float:
    """Variance of the true elasticities between the products of a category, by the moments of all."""
    weight = 1 / variance
    sums = np.bincount(category, weight)
    about = deviation - (np.bincount(category, weight * deviation) / sums)[category]
    excess = float((weight * about**2).sum()) - (len(deviation) - len(sums))
    scale = float((sums - np.bincount(category, weight**2) / sums).sum())
    return max(excess / scale if scale > 0 else 0.0, LEAST_TAU**2)
