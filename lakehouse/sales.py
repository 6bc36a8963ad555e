"""What a sales model answers: the same function where it is judged and where it is served. A model is plain library types.

Keys of a model: `kind` (name of what speaks), `categories` (known names), `members` (name -> fitted regressor of log1p units),
`weights` (one per member), `levels` (category -> log1p units, added), `other_level` (of a category not known), `smear` (factor
from the exponent of a mean to a mean), `residuals` (sorted, of log1p units, out of fold), `interval_level`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

INPUTS = ("price", "discount_pct", "rating", "num_reviews")  # beside the category
NEAR = 0.20  # within this share of the forecast it counts as right
LEAST_RESIDUALS = 20
# Types beyond the library's own list that a file with a model may hold. Loading refuses any other.
TRUSTED = ["sklearn.tree._tree.Tree", "xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"]


def design(inputs: Mapping[str, Floats], category: Sequence[str], categories: Sequence[str]) -> Floats:
    """(rows, 5 + categories): price, discount, rating, log1p reviews, net price, and one column a known category."""
    price, discount, rating, reviews = (np.asarray(inputs[name], dtype=float) for name in INPUTS)
    numbers = np.column_stack([price, discount, rating, np.log1p(reviews), price * (1 - discount / 100)])
    return np.hstack([numbers, np.asarray(category, dtype=str)[:, None] == np.asarray(categories, dtype=str)[None, :]])


def log_units(model: Mapping[str, Any], inputs: Mapping[str, Floats], category: Sequence[str]) -> Floats:
    """(rows,) log1p of units, before smearing."""
    total = np.array([model["levels"].get(name, model["other_level"]) for name in category], dtype=float)
    if model["members"]:
        columns = design(inputs, category, model["categories"])
        for weight, member in zip(model["weights"], model["members"].values(), strict=True):
            if weight:
                total = total + weight * np.asarray(member.predict(columns), dtype=float)
    return total


def predicted(model: Mapping[str, Any], inputs: Mapping[str, Floats], category: Sequence[str]) -> dict[str, Floats]:
    """Each (rows,): `units` ≥ 0, `lower` and `upper` of the conformal interval, `confidence` that sales land within ±20 %, and
    `logs`, the answer before it became units."""
    logs = log_units(model, inputs, category)
    units = np.maximum(model["smear"] * np.expm1(logs), 0.0)
    residuals = np.asarray(model["residuals"], dtype=float)
    below, above = interval(residuals, model["interval_level"])
    lower, upper = (np.maximum(np.expm1(logs + edge), 0.0) for edge in (below, above))
    outcomes = np.maximum(np.expm1(logs[:, None] + residuals[None, :]), 0.0)
    near = np.mean(np.abs(outcomes - units[:, None]) <= NEAR * units[:, None], axis=1) if len(residuals) else np.zeros(len(logs))
    bounds = {"lower": np.minimum(lower, units), "upper": np.maximum(upper, units)}
    return {"units": units, **bounds, "confidence": near, "logs": logs}


def interval(residuals: Floats, level: float) -> tuple[float, float]:
    """Distances in log1p units that hold `level` of new ones: split conformal, each tail by itself; infinite for too few."""
    n, tail = len(residuals), (1 - level) / 2
    rank = int(np.ceil((n + 1) * (1 - tail)))
    if n < LEAST_RESIDUALS or rank > n:
        return -np.inf, np.inf
    return float(residuals[n - rank]), float(residuals[rank - 1])
