"""A weighted mean of models.

Weights come from past origins: half for the member that was best over all commodities, half by class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml.data.panel import Floats, Panel
from ml.evaluation.predictions import NAIVE, Predictions
from ml.models.forecaster import HORIZONS, Forecaster
from ml.models.volatility import volatility_classes

Weights = Mapping[str, Mapping[str, float]]  # volatility class -> model -> share; the sum of a class is 1
STEPS = 15  # one model is added at each, the same one perhaps again (greedy selection with replacement)
# Of the weight of every class. A class has few origins, and weights that suit them suit the next ones less:
# on Panel Harga a blend without the best member's half lost .1 to .3 points to it.
OF_BEST = 0.5
LEAST_ORIGINS = 2  # with fewer nothing is known about the models, and naive alone is used
NAIVE_ONLY: Mapping[str, float] = {NAIVE: 1.0}


def greedy_weights(actual: Floats, naive: Floats, members: Mapping[str, Floats]) -> dict[str, float]:
    """Shares that make Σ|actual − blend| / naive small: all prices count alike, whatever the commodity costs.

    Greedy selection with replacement (Caruana et al. 2004).
    """
    offered = {**members, NAIVE: naive}
    count = dict.fromkeys(offered, 0)
    total = np.zeros(len(actual))
    for step in range(1, STEPS + 1):
        error = {
            name: (np.abs(actual - (total + forecast) / step) / naive).sum()
            for name, forecast in offered.items()
        }
        best = min(error, key=lambda name: (error[name], name))
        count[best] += 1
        total += offered[best]
    return {name: times / STEPS for name, times in count.items()}


def best_member(actual: Floats, naive: Floats, members: Mapping[str, Floats]) -> str:
    """The member, or naive, whose Σ|actual − forecast| / naive is smallest."""
    error = {
        name: (np.abs(actual - forecast) / naive).sum()
        for name, forecast in {**members, NAIVE: naive}.items()
    }
    return min(error, key=lambda name: (error[name], name))


def fit_weights(
    predictions: Predictions, members: Sequence[str], class_of: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Weights of each volatility class from predictions of a backtest. `class_of`: commodity -> class.

    OF_BEST for the best member over all classes, the rest by `greedy_weights` of the class.
    """
    others = [name for name in members if name != NAIVE]
    classes = np.empty(0, dtype=str)
    if len(predictions):
        of_commodity = [class_of.get(commodity, "") for commodity in predictions.distinct_commodities]
        classes = np.array(of_commodity)[predictions.commodity_index]
    best = best_member(
        predictions.actual, predictions.naive, {name: predictions.forecasts[name] for name in others}
    )
    weights = {}
    for volatility in sorted(set(class_of.values())):
        rows = classes == volatility
        enough = len(np.unique(predictions.origin[rows])) >= LEAST_ORIGINS
        forecasts = {name: predictions.forecasts[name][rows] for name in others}
        if not enough:
            weights[volatility] = dict(NAIVE_ONLY)
            continue
        greedy = greedy_weights(predictions.actual[rows], predictions.naive[rows], forecasts)
        weights[volatility] = {
            name: (1 - OF_BEST) * share + OF_BEST * (name == best) for name, share in greedy.items()
        }
    return weights


def walk_forward(predictions: Predictions, members: Sequence[str], panel: Panel) -> Floats:
    """(predictions,) forecasts of the ensemble.

    At each origin blended with weights from targets that were then known.
    """
    blend = np.full(len(predictions), np.nan)
    for origin in np.unique(predictions.origin):
        class_of = volatility_classes(panel.until(int(origin)))
        known = predictions.origin + predictions.horizon <= origin
        weights = fit_weights(predictions.select(known), members, class_of)
        rows = predictions.origin == origin
        of_commodity = [class_of[commodity] for commodity in predictions.distinct_commodities]
        classes = np.array(of_commodity)[predictions.commodity_index[rows]]
        shares = {
            name: np.array([weights[volatility].get(name, 0.0) for volatility in classes])
            for name in {*members, NAIVE}
        }
        blend[rows] = sum(shares[name] * predictions.forecasts[name][rows] for name in sorted(shares))
    return blend


@dataclass
class Ensemble:
    """Forecaster whose members are fitted with it.

    Where a member gives no forecast, naive takes its place.
    """

    members: Mapping[str, Forecaster]
    weights: Weights  # from `fit_weights`; a class without weights: naive
    name: str = "ensemble"
    _class_of: dict[str, str] = field(default_factory=dict, init=False)

    def fit(self, panel: Panel) -> None:
        """Fit every member that has a weight."""
        self._class_of = volatility_classes(panel)
        for name, member in self.members.items():
            if any(shares.get(name, 0.0) > 0 for shares in self.weights.values()):
                member.fit(panel)

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN for a series without a price."""
        naive = np.repeat(panel.filled[:, -1:], len(horizons), axis=1)
        shares = [
            self.weights.get(self._class_of.get(commodity, ""), NAIVE_ONLY) for commodity in panel.commodities
        ]
        total = np.zeros_like(naive)
        for name in sorted({*self.members, NAIVE}):
            share = np.array([of_class.get(name, 0.0) for of_class in shares])
            if share.any():
                forecast = naive if name == NAIVE else self.members[name].predict(panel, horizons)
                usable = np.isfinite(forecast) & (forecast > 0)
                total += share[:, None] * np.where(usable, forecast, naive)
        return total
