"""Forecasts shrunk towards naive by factors that are learned from earlier origins.

Models forecast moves that are a little too large for origins they have not seen. A factor says which share of
the forecast move of log price is kept: f = naive · (forecast / naive)^factor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats, Panel
from ml.evaluation.predictions import Predictions
from ml.models.forecaster import HORIZONS, Forecaster

Factors = Mapping[tuple[str, int], float]  # (commodity, horizon) -> factor
OFFERED = np.linspace(0, 1, 21)
START = 0.9  # the factor before an origin is known
START_PULL = 0.3  # that a factor costs which is 1 away from START, in naive's errors of one origin
POOL_ORIGINS = 26  # origins of a commodity that count as much as what is common to all commodities


def shrink(predictions: Predictions, forecast: Floats) -> tuple[Floats, Factors]:
    """((predictions,) shrunk forecasts, factors after the last origin). `forecast`: (predictions,) rupiah.

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
    factors: Floats = OFFERED[np.argmin(cost, axis=0)]
    return factors


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
