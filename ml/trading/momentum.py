"""A small model of daily closes: a pooled ridge regression on past returns."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats, Panel
from ml.models.forecaster import HORIZONS, scale

FITTED_HORIZONS = (1, 2, 3, 5, 7, 10, 14, 21, 30)
SPANS = (1, 5, 20, 60)  # days over which returns are features
STEP_DAYS = 3  # between two training days of a series: nearer ones are nearly the same
LEAST_ROWS = 200
PENALTY = 100.0  # of standardised features: returns hold little to learn


class MomentumRidge:
    """Direct regressions for each horizon; forecasts between two of them are interpolated in log price."""

    name = "momentum_ridge"

    def __init__(self) -> None:
        self._weights: dict[int, Floats] = {}

    def fit(self, panel: Panel) -> None:
        """Learn from every STEP_DAYS-th day; without enough of them nothing is forecast."""
        logs = np.log(panel.filled)
        scales = scale(panel)[:, None]
        self._weights = {}
        for horizon in FITTED_HORIZONS:
            days = np.arange(max(SPANS), logs.shape[1] - horizon, STEP_DAYS)
            inputs = features(logs, scales, days).reshape(-1, len(SPANS) + 1)
            change = (logs[:, days + horizon] - logs[:, days]) / (scales * np.sqrt(horizon))
            target = change.reshape(-1)
            seen = np.isfinite(target) & np.isfinite(inputs).all(axis=1)
            if seen.sum() < LEAST_ROWS:
                continue
            inputs, target = inputs[seen], np.clip(target[seen], -5, 5)
            penalty = PENALTY * np.eye(inputs.shape[1])
            self._weights[horizon] = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ target)

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) in the currency of each symbol; NaN where nothing was learned."""
        last = panel.price.shape[1] - 1
        if last < max(SPANS) or not self._weights:
            return np.full((len(panel.price), len(horizons)), np.nan)
        logs = np.log(panel.filled)
        scales = scale(panel)[:, None]
        inputs = features(logs, scales, np.array([last]))[:, 0]
        fitted = sorted(self._weights)
        change = np.stack([inputs @ self._weights[horizon] for horizon in fitted], axis=1)
        change *= scales * np.sqrt(np.array(fitted))[None, :]
        wanted = np.asarray(horizons, dtype=np.float64)
        between = np.stack([np.interp(wanted, [0, *fitted], [0.0, *row]) for row in change])
        forecast: Floats = np.exp(logs[:, -1:] + between)
        return forecast


def features(logs: Floats, scales: Floats, days: npt.NDArray[np.int64]) -> Floats:
    """(series, days, features) returns over each span and the distance from the mean of 20 days.

    All in units of the series' usual move.
    """
    columns = [(logs[:, days] - logs[:, days - span]) / (scales * np.sqrt(span)) for span in SPANS]
    mean = np.mean([logs[:, days - back] for back in range(20)], axis=0)
    columns.append((logs[:, days] - mean) / (scales * np.sqrt(20)))
    clipped: Floats = np.clip(np.stack(columns, axis=2), -5, 5)
    return clipped


def make() -> MomentumRidge:
    """A model that is not fitted yet; nothing is random."""
    return MomentumRidge()
