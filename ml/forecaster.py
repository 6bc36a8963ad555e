"""What a model is, to those that judge and serve it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ml.panel import Floats, Panel

HORIZONS = tuple(range(1, 8))
REFIT_ORIGINS = 4  # in a backtest a model is fitted at the first of so many and forecasts from all of them


class Forecaster(Protocol):
    """A point forecaster for all series of a panel at once.

    Both methods are given a panel that ends at the origin, so that nothing later can be seen. They change neither panel nor
    global state, and give the same answer for the same panel and seed. A series that a model cannot forecast is NaN; it never
    raises for a short, constant or empty one: those that judge put naive in its place and count it. One with an attribute
    `refit_origins` is fitted anew after so many origins of a backtest, REFIT_ORIGINS without it.
    """

    name: str

    def fit(self, panel: Panel) -> None:
        """Learn from a panel that ends at the origin of the fit. Cheap or empty for models that are fitted a series at a time."""

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah, for the days `horizons` calendar days after the panel's last one."""


def scale(panel: Panel, window: int = 180) -> Floats:
    """(series,) mean absolute change of log price between days with a price, over the last `window` days, + 1e-4."""
    change = np.abs(np.diff(np.log(panel.filled[:, -window - 1 :]), axis=1))
    counted = np.isfinite(change) & np.isfinite(panel.price[:, -window:][:, -change.shape[1] :] if change.shape[1] else change)
    return np.where(counted, change, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1) + 1e-4
