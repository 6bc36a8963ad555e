"""Forecasts made from those of models: a weighted mean of them, and forecasts shrunk towards naive.

Weights come from past origins: half for the member that was best over all commodities, half by class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

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
Factors = Mapping[tuple[str, int], float]  # (commodity, horizon) -> factor
OFFERED = np.linspace(0, 1, 21)
START = 0.9  # the factor before an origin is known
START_PULL = 0.3  # that a factor costs which is 1 away from START, in naive's errors of one origin
POOL_ORIGINS = 26  # origins of a commodity that count as much as what is common to all commodities


def greedy_weights(actual: Floats, naive: Floats, members: Mapping[str, Floats]) -> dict[str, float]:
    """Shares that make Σ|actual − blend| / naive small: all prices count alike, whatever the commodity costs.

    Greedy selection with replacement (Caruana et al. 2004).
    """
    offered = {**members, NAIVE: naive}
    count = dict.fromkeys(offered, 0)
    total = np.zeros(len(actual))
    for step in range(1, STEPS + 1):
        blended = {name: (total + forecast) / step for name, forecast in offered.items()}
        best = nearest(actual, naive, blended)
        count[best] += 1
        total += offered[best]
    return {name: times / STEPS for name, times in count.items()}


def nearest(actual: Floats, naive: Floats, forecasts: Mapping[str, Floats]) -> str:
    """The forecast whose Σ|actual − forecast| / naive is smallest; of equals the first by name."""
    error = {name: (np.abs(actual - forecast) / naive).sum() for name, forecast in forecasts.items()}
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
    offered = {name: predictions.forecasts[name] for name in (*others, NAIVE)}
    best = nearest(predictions.actual, predictions.naive, offered)
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
    class_of: Mapping[str, str] = field(default_factory=dict)  # commodity -> volatility class, of the fit

    def fit(self, panel: Panel) -> None:
        """Fit every member that has a weight."""
        self.class_of = volatility_classes(panel)
        for name, member in self.members.items():
            if any(shares.get(name, 0.0) > 0 for shares in self.weights.values()):
                member.fit(panel)

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN for a series without a price."""
        naive = np.repeat(panel.filled[:, -1:], len(horizons), axis=1)
        shares = [
            self.weights.get(self.class_of.get(commodity, ""), NAIVE_ONLY) for commodity in panel.commodities
        ]
        total = np.zeros_like(naive)
        for name in sorted({*self.members, NAIVE}):
            share = np.array([of_class.get(name, 0.0) for of_class in shares])
            if share.any():
                forecast = naive if name == NAIVE else self.members[name].predict(panel, horizons)
                usable = np.isfinite(forecast) & (forecast > 0)
                total += share[:, None] * np.where(usable, forecast, naive)
        return total


def shrink(predictions: Predictions, forecast: Floats) -> tuple[Floats, Factors]:
    """((predictions,) shrunk forecasts, factors after the last origin). `forecast`: (predictions,) rupiah.

    Models forecast moves that are a little too large for origins they have not seen. A factor says which
    share of the forecast move of log price is kept: f = naive · (forecast / naive)^factor.
    The factors of an origin come from those whose whole horizon had passed by then.
    """
    if not len(predictions):
        return forecast, {}
    move = np.log(forecast / predictions.naive)
    origins, origin = np.unique(predictions.origin, return_inverse=True)
    horizons, horizon = np.unique(predictions.horizon, return_inverse=True)
    commodity = predictions.commodity_index
    losses = _losses(predictions, move, origin, horizon)
    known = np.searchsorted(origins, origins - horizons[-1], side="right")  # origins that count at each
    factor = np.array([fit_factors(losses[:, :count]) for count in known])
    kept = factor[origin, horizon, commodity]
    newest = fit_factors(losses)
    factors = {
        (name, int(ahead)): float(newest[row, column])
        for row, ahead in enumerate(horizons)
        for column, name in enumerate(predictions.distinct_commodities)
    }
    return predictions.naive * np.exp(kept * move), factors


def _losses(
    predictions: Predictions,
    move: Floats,
    origin: npt.NDArray[np.intp],
    horizon: npt.NDArray[np.intp],
) -> Floats:
    """(offered factors, origins, horizons, commodities) Σ|log(y / naive) − factor · move|."""
    actual = np.log(predictions.actual / predictions.naive)
    shape = (origin.max() + 1, horizon.max() + 1, len(predictions.distinct_commodities))
    cell = np.ravel_multi_index((origin, horizon, predictions.commodity_index), shape)
    by_factor = [
        np.bincount(cell, np.abs(actual - factor * move), minlength=int(np.prod(shape))) for factor in OFFERED
    ]
    return np.array(by_factor, dtype=np.float64).reshape(len(OFFERED), *shape)


def fit_factors(losses: Floats) -> Floats:
    """(horizons, commodities) the factors of least loss over the origins of `losses`.

    A commodity's own loss is over all horizons, the common one over all commodities at the horizon: seven
    horizons of one commodity turn with the same market. All are in units of naive's mean loss per origin.
    """
    total = losses.sum(axis=1)
    count = max(losses.shape[1], 1)
    usual = total[0] / count  # factor 0 is naive
    scaled = np.divide(total, usual, out=np.zeros_like(total), where=usual > 0)
    own = scaled.mean(axis=1, keepdims=True)
    common = scaled.mean(axis=2, keepdims=True) / count
    start = START_PULL * (OFFERED - START) ** 2
    cost = np.round(own + POOL_ORIGINS * common + start[:, None, None], 9)
    return np.asarray(OFFERED[np.argmin(cost, axis=0)])


@dataclass
class Shrunk:
    """Forecaster whose forecasts are those of another one, shrunk towards naive."""

    inner: Forecaster
    factors: Factors  # of `shrink`; a commodity or horizon without one: START

    @property
    def name(self) -> str:
        """The inner model's name."""
        return self.inner.name

    def fit(self, panel: Panel) -> None:
        """Fit the inner model."""
        self.inner.fit(panel)

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where the inner model has no forecast."""
        naive = panel.filled[:, -1:]
        forecast = self.inner.predict(panel, horizons)
        factor = np.array(
            [
                [self.factors.get((commodity, int(horizon)), START) for horizon in horizons]
                for commodity in panel.commodities
            ]
        ).reshape(forecast.shape)
        usable = np.isfinite(forecast) & (forecast > 0)
        move = np.log(np.where(usable, forecast, naive) / naive)
        return np.where(usable, naive * np.exp(factor * move), np.nan)
