"""The interface of a model, and what all models share: horizons and the scale of a series."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from conf.settings import settings
from ml.data.panel import Floats, Panel

HORIZONS = tuple(range(1, 8))
# in a backtest a model is fitted at the first of so many origins and forecasts from all of them
REFIT_ORIGINS = 4


class Forecaster(Protocol):
    """A point forecaster for all series of a panel at once.

    `fit` and `predict` get a panel that ends at the origin, so that nothing later can be seen. They change
    neither the panel nor global state, and give the same forecasts for the same panel and seed. A series that
    the model cannot forecast is NaN; a short, constant or empty series raises no error. The backtest then
    takes the naive forecast and counts it. A model with an attribute `refit_origins` is fitted again after so
    many origins of a backtest, one without it after REFIT_ORIGINS. A model that reads exogenous series names
    them in an attribute `exogenous`: a backtest gives it no others, so that others start nothing again.
    Fitted models are pickled.
    """

    @property
    def name(self) -> str:
        """The name in the registry."""

    def fit(self, panel: Panel) -> None:
        """Learn from a panel that ends at the origin of the fit."""

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah, for the days `horizons` calendar days after the panel's last one."""


def training_horizons() -> tuple[int, ...]:
    """Days ahead that pooled models are fitted for.

    Each of a week and a few beyond, up to knob forecast.horizon_days.

    Horizons between two of them are interpolated in log price.
    """
    last = settings().forecast.horizon_days
    return (*(day for day in (*HORIZONS, 10, 14, 21) if day < last), last)


def scale(panel: Panel, window: int = 180) -> Floats:
    """(series,) mean absolute daily change of log price over the last `window` days with a price, + 1e-4."""
    change = np.abs(np.diff(np.log(panel.filled[:, -window - 1 :]), axis=1))
    counted = np.isfinite(change) & np.isfinite(
        panel.price[:, -window:][:, -change.shape[1] :] if change.shape[1] else change
    )
    mean: Floats = np.where(counted, change, 0.0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return mean + 1e-4
