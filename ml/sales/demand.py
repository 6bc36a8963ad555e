"""Demand for a category as a function of its price: Poisson regressions, drawn again for intervals.

log units = a + b log(net price) + c net price + discount + rating + log reviews + day. The two terms of the
price give a curve of constant elasticity (c = 0), an exponential one (b = 0), and what lies between.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import PoissonRegressor

from lakehouse.sales import demand_columns
from ml.sales.load import SalesRows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAST_OF_CATEGORY = 60  # rows; smaller categories share one curve
DRAWS = 100
PENALTY = 1e-3  # on standardised columns: it keeps the fit finite where a column does not vary
ALL = ""  # the curve of all rows


def fit_demand(rows: SalesRows, draws: int = 0, seed: int = 0) -> dict[str, Any]:
    """A demand model as lakehouse/sales.py describes it, and `draws` more fits on resampled products."""
    names, counts = np.unique(rows.category, return_counts=True)
    parts = {str(name): rows.category == name for name in names[counts >= LEAST_OF_CATEGORY]}
    parts[ALL] = np.ones(len(rows), dtype=bool)
    random = np.random.default_rng(seed)
    return {name: _fit_curve(rows.at(np.flatnonzero(part)), draws, random) for name, part in parts.items()}


def _fit_curve(rows: SalesRows, draws: int, random: np.random.Generator) -> dict[str, Any]:
    price = rows.inputs["price"]
    net = price * (1 - rows.inputs["discount_pct"] / 100)
    unit = max(float(np.median(net)), 1e-9)
    days = (rows.day - rows.day.max()) / 365 if rows.series else np.zeros(len(rows))
    columns = np.column_stack([demand_columns(rows.inputs, unit), days])
    center = columns.mean(axis=0)
    scale = columns.std(axis=0)
    scale[scale == 0] = 1.0
    center[-1] = 0.0  # a forecast is for the newest day
    standard = (columns - center) / scale
    chosen = [np.arange(len(rows)), *(drawn_rows(rows.group, random) for _ in range(draws))]
    weights = np.array([_poisson(standard[part], rows.sales[part]) for part in chosen])
    return {
        "unit": unit,
        "center": center[:-1],
        "scale": scale[:-1],
        "weights": np.delete(weights, -1, axis=1),  # without the day's: it is 0 on the newest
        "price_low": float(price.min()),
        "price_high": float(price.max()),
    }


def drawn_rows(group: Ints, random: np.random.Generator) -> Ints:
    """The rows of as many groups as there are, drawn with replacement."""
    order = np.argsort(group, kind="stable")
    names, starts = np.unique(group[order], return_index=True)
    parts = np.split(order, starts[1:])
    return np.concatenate([parts[number] for number in random.integers(0, len(names), len(names))])


def _poisson(columns: Floats, units: Floats) -> Floats:
    """(1 + columns,) intercept and weights; a constant where nothing was sold."""
    if not units.any():
        return np.concatenate([[-50.0], np.zeros(columns.shape[1])])
    fitted = PoissonRegressor(alpha=PENALTY, solver="newton-cholesky", max_iter=200).fit(columns, units)
    return np.concatenate([[fitted.intercept_], fitted.coef_])
