"""Exponential smoothing, Theta and ARIMA of statsforecast, one series at a time, on log prices."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ml.data.panel import Floats, Panel
from ml.models.forecaster import HORIZONS, REFIT_ORIGINS, Forecaster
from ml.models.parallel import parallel_map
from ml.models.reporting_grid import SeriesHistory, histories, steps_ahead

FEWEST = 20  # observations before anything is fitted
LARGEST_CHANGE = 1.5  # in log price; a forecast further from the last price is a fit that diverged

CommodityRegion = tuple[str, str]  # commodity, region


@dataclass
class Statistical:
    """Forecaster by a model of statsforecast.

    Fitted parameters are kept and applied to newer observations (`forward`).
    """

    name: str
    window_days: int = 365
    # parameters of smoothing age slowly, and fitting is most of the work
    refit_origins: int = 2 * REFIT_ORIGINS
    fitted: dict[CommodityRegion, Any] = field(default_factory=dict)
    since: np.datetime64 | None = None  # first day of the window at the fit: initial states belong to it

    def fit(self, panel: Panel) -> None:
        """Fit each series with at least `FEWEST` observations in the window."""
        self.fitted = {}
        if not len(panel.days):
            return
        self.since = panel.days[-1] - self.window_days + 1
        values = [history.values for history in histories(panel, self.since)]
        models = parallel_map(partial(_fit, self.name), values)
        self.fitted = {
            key: model for key, model in zip(panel.series, models, strict=True) if model is not None
        }

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where nothing was fitted."""
        if not self.fitted or self.since is None:
            return np.full((len(panel.price), len(horizons)), np.nan)
        predict_one = partial(_predict, origin=panel.days[-1], horizons=tuple(horizons))
        models = [self.fitted.get(key) for key in panel.series]
        tasks = list(zip(models, histories(panel, self.since), strict=True))
        return np.array(parallel_map(predict_one, tasks)).reshape(-1, len(horizons))


def make(name: str, seed: int, quick: bool) -> Forecaster:
    """The model of that name; `quick` fits the last 120 days instead of a year. Nothing is random."""
    return Statistical(name, window_days=120 if quick else 365)


def _unfitted(name: str) -> Any:  # noqa: ANN401 the library's models share no public type
    """A model of statsforecast."""
    from statsforecast import models

    if name == "ses":
        return models.AutoETS(season_length=1, model="ANN")
    if name == "ets":
        return models.AutoETS(season_length=1, model="ZZN")
    if name == "theta":
        return models.DynamicOptimizedTheta(season_length=1)
    # The search starts at smoothing, (0, 1, 1), and is short: more steps took twice the time for no gain.
    return models.AutoARIMA(
        seasonal=False, approximation=True, start_p=0, start_q=1, max_p=3, max_q=3, max_d=1, nmodels=5
    )


def _fit(name: str, values: Floats) -> Any:  # noqa: ANN401 as above
    """A fitted model, or None for a series that is too short or constant."""
    if values.size < FEWEST or np.ptp(values) == 0:
        return None
    model = _unfitted(name)
    with warnings.catch_warnings():
        # optimisers that stop at a bound: forecasts decide, as for all models
        warnings.simplefilter("ignore")
        try:
            return model.fit(_relative(values))
        except Exception:  # noqa: BLE001  (the library raises bare ones where it finds no model)
            return None


def _predict(task: tuple[Any, SeriesHistory], origin: np.datetime64, horizons: tuple[int, ...]) -> Floats:
    """(horizons,) rupiah of one series; NaN where nothing was fitted or the fit diverged."""
    model, history = task
    if model is None or history.values.size < FEWEST:
        return np.full(len(horizons), np.nan)
    ahead = steps_ahead(history, origin, horizons)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = np.asarray(model.forward(_relative(history.values), max(int(ahead.max()), 1))["mean"])
    last = _relative(history.values)[-1]
    path = np.concatenate(([last], path))[ahead]
    plausible = np.isfinite(path) & (np.abs(path - last) <= LARGEST_CHANGE)
    return np.where(plausible, np.exp(np.where(plausible, path, 0.0) + history.values[0]), np.nan)


def _relative(values: Floats) -> Floats:
    """Log prices less the window's first.

    Optimisers start from the level, and the unit of money must not matter.
    """
    return np.asarray(values - values[0])
