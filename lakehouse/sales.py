"""The forecast of a sales model: one function for evaluation and for serving.

A model is a dict of plain library types.

Keys of a model: `kind` (name of the model), `categories` (known names), `members` (name -> fitted regressor
of log1p units), `weights` (one per member), `levels` (category -> log1p units, added), `other_level` (of an
unknown category), `smear` (factor from the exponent of a mean to a mean), `residuals` (sorted, of log1p
units, out of fold), `interval_level`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Names = Sequence[str] | npt.NDArray[np.str_]

INPUTS = ("price", "discount_pct", "rating", "num_reviews")  # and the category
NEAR_SHARE = 0.20  # sales within this share of the forecast count as right
LEAST_RESIDUALS = 20
# Types that a model file may hold in addition to the library's own list. Loading refuses any other.
TRUSTED = ["sklearn.tree._tree.Tree", "xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"]


def design(inputs: Mapping[str, Floats], category: Names, categories: Names) -> Floats:
    """(rows, 5 + categories): price, discount, rating, log1p reviews, net price, one column per category."""
    price, discount, rating, reviews = (np.asarray(inputs[name], dtype=float) for name in INPUTS)
    numbers = np.column_stack([price, discount, rating, np.log1p(reviews), price * (1 - discount / 100)])
    return np.hstack(
        [numbers, np.asarray(category, dtype=str)[:, None] == np.asarray(categories, dtype=str)[None, :]]
    )


def log_units(model: Mapping[str, Any], inputs: Mapping[str, Floats], category: Names) -> Floats:
    """(rows,) forecast of log1p units, before smearing."""
    total = np.array([model["levels"].get(name, model["other_level"]) for name in category], dtype=float)
    if model["members"]:
        columns = design(inputs, category, model["categories"])
        for weight, member in zip(model["weights"], model["members"].values(), strict=True):
            if weight:
                total = total + weight * np.asarray(member.predict(columns), dtype=float)
    return total


def predict(model: Mapping[str, Any], inputs: Mapping[str, Floats], category: Names) -> dict[str, Floats]:
    """Forecasts, each (rows,).

    `units` ≥ 0, `lower` and `upper` of the conformal interval, `confidence` that sales land within ±20 %, and
    `logs`, the forecast of log1p units before smearing.
    """
    logs = log_units(model, inputs, category)
    units = np.maximum(model["smear"] * np.expm1(logs), 0.0)
    residuals = np.asarray(model["residuals"], dtype=float)
    below, above = conformal_interval(residuals, model["interval_level"])
    lower, upper = (np.maximum(np.expm1(logs + edge), 0.0) for edge in (below, above))
    outcomes = np.maximum(np.expm1(logs[:, None] + residuals[None, :]), 0.0)
    confidence = np.zeros(len(logs))
    if len(residuals):
        confidence = np.mean(np.abs(outcomes - units[:, None]) <= NEAR_SHARE * units[:, None], axis=1)
    bounds = {"lower": np.minimum(lower, units), "upper": np.maximum(upper, units)}
    return {"units": units, **bounds, "confidence": confidence, "logs": logs}


def conformal_interval(residuals: Floats, level: float) -> tuple[float, float]:
    """Distances in log1p units that cover `level` of new residuals: split conformal, each tail by itself.

    Infinite for fewer than LEAST_RESIDUALS, or when the level needs a rank beyond the largest residual.
    """
    n = len(residuals)
    tail = (1 - level) / 2
    rank = int(np.ceil((n + 1) * (1 - tail)))
    if n < LEAST_RESIDUALS or rank > n:
        return -np.inf, np.inf
    return float(residuals[n - rank]), float(residuals[rank - 1])
