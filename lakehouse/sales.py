"""The forecast of a sales model: one function for evaluation and for serving.

A model is a dict of plain library types.

Keys of a model: `kind` (name of the model), `categories` (known names), `members` (name -> fitted regressor
of log1p units), `weights` (one per member), `levels` (category -> log1p units, added), `other_level` (of an
unknown category), `smear` (factor from the exponent of a mean to a mean), `residuals` (sorted, of log1p
units, out of fold), `interval_level`; of models that know it, `target` (see TARGETS).

A demand model, as a member and under the key `demand`, maps a category to its curve; "" is the curve of any
other. Keys of a curve: `unit` (price that is written as 1), `center` and `scale` of `demand_columns`,
`weights` (the fit, then its draws; intercept first), `price_low` and `price_high` (observed list prices).
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.reference import DEFAULT_SHOP

Floats = npt.NDArray[np.float64]
UnitsAt = Callable[
    [Floats], Floats
]  # list prices -> (1 + draws, prices) units; the first row is the best guess
Names = Sequence[str] | npt.NDArray[np.str_]

INPUTS = ("price", "discount_pct", "rating", "num_reviews")  # and the category
NEAR_SHARE = 0.20  # sales within this share of the forecast count as right
LEAST_RESIDUALS = 20
TARGETS = ("units_so_far", "units_a_day")  # a day: where the shop reports each product again and again
CURVE_STEPS = 400  # of the search for the best price
DRAWS = 100  # of an elasticity: the middles of as many parts of its normal law
LARGEST_DISCOUNT = 0.99  # as a share; the logarithm of a price of zero is not finite
LOWEST_NET = 1e-2  # of the unit: the logarithm of a price of zero is not finite
# Types that a model file may hold in addition to the library's own list. Loading refuses any other.
TRUSTED = ["sklearn.tree._tree.Tree", "xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"]


def model_name(shop: str) -> str:
    """Name of a shop's sales model: of its file, and in gold.feature_importance."""
    return "sales" if shop == DEFAULT_SHOP else f"sales-{shop}"


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
                total = total + weight * member_logs(member, columns, inputs, category)
    return total


def member_logs(member: Any, columns: Floats, inputs: Mapping[str, Floats], category: Names) -> Floats:
    """(rows,) forecast of one member: of a regressor by `columns`, of a demand model by its curves."""
    if isinstance(member, Mapping):
        return demand_logs(member, inputs, category)
    return np.asarray(member.predict(columns), dtype=float)


def demand_logs(demand: Mapping[str, Any], inputs: Mapping[str, Floats], category: Names) -> Floats:
    """(rows,) log1p units by the curves of a demand model."""
    names = np.asarray(category, dtype=str)
    logs = np.empty(len(names))
    for name in np.unique(names):
        rows = names == name
        own = {key: np.asarray(values, dtype=float)[rows] for key, values in inputs.items()}
        logs[rows] = np.log1p(demand_units(demand, own, str(name))[0])
    return logs


def demand_columns(inputs: Mapping[str, Floats], unit: float) -> Floats:
    """(rows, 5): log net price, net price, discount, rating, log1p reviews. Prices in multiples of `unit`."""
    price, discount, rating, reviews = (np.asarray(inputs[name], dtype=float) for name in INPUTS)
    net = price * (1 - discount / 100) / unit
    return np.column_stack([np.log(np.maximum(net, LOWEST_NET)), net, discount, rating, np.log1p(reviews)])


def demand_units(demand: Mapping[str, Any], inputs: Mapping[str, Floats], category: str) -> Floats:
    """(1 + draws, rows) units by the curve of the category and by each of its draws."""
    curve = demand.get(category, demand[""])
    columns = (demand_columns(inputs, curve["unit"]) - curve["center"]) / curve["scale"]
    weights = np.asarray(curve["weights"], dtype=float)
    return np.asarray(np.exp(np.clip(weights[:, :1] + weights[:, 1:] @ columns.T, -50, 50)))


def units_by_demand(
    demand: Mapping[str, Any], product: Mapping[str, float], category: str, prices: Floats
) -> Floats:
    """(1 + draws, prices) units by the curve of the category and by each of its draws."""
    inputs = {name: np.full(len(prices), product.get(name, 0.0)) for name in INPUTS} | {"price": prices}
    return demand_units(demand, inputs, category)


def units_by_elasticity(law: Mapping[str, Any], discount_pct: float, prices: Floats) -> Floats:
    """(1 + draws, prices) units a day by a measured row of gold.price_elasticity, and by its interval.

    units_a_day * (net price / newest list price) ^ elasticity * exp(discount_effect * discount)
    """
    best, low, high = (law[name] for name in ("elasticity", "elasticity_low", "elasticity_high"))
    deviation = (high - low) / (2 * NormalDist().inv_cdf(0.95))
    drawn = [best + deviation * NormalDist().inv_cdf((draw + 0.5) / DRAWS) for draw in range(DRAWS)]
    share = min(discount_pct / 100, LARGEST_DISCOUNT)
    logs = np.log(np.maximum(prices, LOWEST_NET) * (1 - share) / law["price"])
    weights = np.array([best, *drawn])[:, None]
    effect = law["discount_effect"] * share
    return np.asarray(law["units_a_day"] * np.exp(np.clip(weights * logs + effect, -50, 50)))


def price_curve(
    units_at: UnitsAt, prices: Floats, discount_pct: float, unit_cost: float | None = None
) -> dict[str, Floats]:
    """Units, net revenue and profit at each list price, each with its 90 % interval; each (prices,).

    Profit only with `unit_cost`, in the shop's currency.
    """
    units = units_at(prices)
    net = prices * (1 - discount_pct / 100)
    values = {"units": units, "revenue": units * net}
    if unit_cost is not None:
        values["profit"] = units * (net - unit_cost)
    curve: dict[str, Floats] = {}
    for name, drawn in values.items():
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        curve |= {name: drawn[0], f"{name}_low": np.minimum(low, drawn[0])}
        curve[f"{name}_high"] = np.maximum(high, drawn[0])
    return curve


def best_price(
    units_at: UnitsAt, low: float, high: float, discount_pct: float, unit_cost: float = 0.0
) -> tuple[float, float, float, bool]:
    """List price of the most profit from `low` to `high`, its 90 % interval by the draws, whether at an end.

    Without a cost the profit is the revenue.
    """
    prices = np.linspace(low, high, CURVE_STEPS)
    profit = units_at(prices) * (prices * (1 - discount_pct / 100) - unit_cost)
    best = prices[np.argmax(profit, axis=1)]
    lower, upper = np.quantile(best, [0.05, 0.95])
    at_edge = bool(best[0] in (low, high))
    return float(best[0]), float(min(lower, best[0])), float(max(upper, best[0])), at_edge


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
