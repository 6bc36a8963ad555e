"""Exponential smoothing, Theta and ARIMA of statsforecast, a series at a time, on the logarithm of the price."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ml.fan_out import each
from ml.forecaster import HORIZONS, REFIT_ORIGINS
from ml.grid import History, histories, steps
from ml.panel import Floats, Panel

FEWEST = 20  # observations before anything is fitted
BOUND = 1.5  # a forecast further than this from the last log price is an explosion of the fit, not a forecast

Key = tuple[str, str]  # commodity, region


@dataclass
class Statistical:
    """A model of statsforecast. Fitted parameters are kept and applied to what came since (`forward`), not fitted anew."""

    name: str
    window_days: int = 365
    refit_origins: int = 2 * REFIT_ORIGINS  # parameters of smoothing age slowly, and fitting them is most of the work
    fitted: dict[Key, Any] = field(default_factory=dict)
    since: np.datetime64 | None = None  # the first day of the window at the fit: initial states belong to it

    def fit(self, panel: Panel) -> None:
        """Fit each series with at least `FEWEST` observations in the window."""
        self.fitted = {}
        if not len(panel.days):
            return
        self.since = panel.days[-1] - self.window_days + 1
        fitted = each(partial(_fit, self.name), [one.values for one in histories(panel, self.since)])
        self.fitted = {key: model for key, model in zip(_keys(panel), fitted, strict=True) if model is not None}

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where nothing was fitted."""
        if not self.fitted or self.since is None:
            return np.full((len(panel.price), len(horizons)), np.nan)
        work = partial(_forecast, origin=panel.days[-1], horizons=tuple(horizons))
        known = [self.fitted.get(key) for key in _keys(panel)]
        return np.array(each(work, list(zip(known, histories(panel, self.since), strict=True)))).reshape(-1, len(horizons))


def _keys(panel: Panel) -> list[Key]:
    return list(zip(panel.commodities, panel.regions, strict=True))


def _made(name: str) -> Any:  # noqa: ANN401 the library's models share no public type
    from statsforecast import models

    if name == "ses":
        return models.AutoETS(season_length=1, model="ANN")
    if name == "ets":
        return models.AutoETS(season_length=1, model="ZZN")
    if name == "theta":
        return models.DynamicOptimizedTheta(season_length=1)
    # the search starts at smoothing, (0, 1, 1), and takes a few steps: more took twice the time for no better forecasts
    small = {"start_p": 0, "start_q": 1, "max_p": 3, "max_q": 3, "max_d": 1, "nmodels": 5}
    return models.AutoARIMA(seasonal=False, approximation=True, **small)


def _fit(name: str, values: Floats) -> Any:  # noqa: ANN401 as above
    """A fitted model, or None where there is too little or nothing but one price: there nothing can be learnt."""
    if values.size < FEWEST or np.ptp(values) == 0:
        return None
    model = _made(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optimisers that stop at a bound: judged by their forecasts, as all are
        try:
            return model.fit(_relative(values))
        except Exception:  # noqa: BLE001  (the library raises bare ones where it finds no model: NaN, which is counted as naive)
            return None


def _forecast(one: tuple[Any, History], origin: np.datetime64, horizons: tuple[int, ...]) -> Floats:
    model, history = one
    nothing = np.full(len(horizons), np.nan)
    if model is None or history.values.size < FEWEST:
        return nothing
    ahead = steps(history, origin, horizons)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = np.asarray(model.forward(_relative(history.values), max(int(ahead.max()), 1))["mean"])
    last = _relative(history.values)[-1]
    path = np.concatenate(([last], path))[ahead]
    sane = np.isfinite(path) & (np.abs(path - last) <= BOUND)
    return np.where(sane, np.exp(np.where(sane, path, 0.0) + history.values[0]), np.nan)


def _relative(values: Floats) -> Floats:
    """Against the window's first price: optimisers start from the level, and the unit of money must not matter."""
    return values - values[0]
