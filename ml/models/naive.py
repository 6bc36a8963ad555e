"""Forecasts without learning. A model serves only if it beats the naive forecast significantly."""

from collections.abc import Sequence

import numpy as np

from ml.data.panel import Floats, Panel
from ml.models.forecaster import HORIZONS, Forecaster

WEEK = 7


class Naive:
    """The last observed price, for every horizon."""

    name = "naive"

    def fit(self, panel: Panel) -> None:
        """Nothing to fit."""

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah."""
        return np.repeat(last_price(panel)[:, None], len(horizons), axis=1)


class Drift(Naive):
    """The mean daily change of log price since the first observation continues.

    Hyndman & Athanasopoulos, Forecasting: Principles and Practice (3rd ed.), 5.2, on logarithms.
    """

    name = "drift"

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; a series with a single price keeps it."""
        seen = np.isfinite(panel.price)
        days = seen.shape[1]
        if not days:
            return super().predict(panel, horizons)
        first = seen.argmax(axis=1)
        latest = days - 1 - seen[:, ::-1].argmax(axis=1)
        row = np.arange(len(seen))
        rise = panel.log_price[row, latest] - panel.log_price[row, first]
        slope = rise / np.maximum(latest - first, 1)
        ahead = np.asarray(horizons)[None, :] + (days - 1 - latest)[:, None]
        return np.asarray(np.exp(panel.log_price[row, latest][:, None] + slope[:, None] * ahead))


class SeasonalNaive(Naive):
    """The price of the same weekday in the last known week.

    A season of 7 calendar days is a season of 5 business days for every target on a weekday. So one model
    fits sources that report daily and sources that are frozen at weekends.
    """

    name = "seasonal_naive"

    def predict(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where the series had not begun a week before the target."""
        day = panel.price.shape[1] - 1 + np.asarray(horizons)
        back = day - WEEK * -(-np.asarray(horizons) // WEEK)
        if not panel.price.shape[1]:
            return super().predict(panel, horizons)
        return np.where(back >= 0, panel.filled[:, np.maximum(back, 0)], np.nan)


def make(name: str, seed: int, quick: bool) -> Forecaster:
    """The model of that name; nothing is random, and `quick` makes no difference."""
    return next(model for model in (Naive, Drift, SeasonalNaive) if model.name == name)()


def last_price(panel: Panel) -> Floats:
    """(series,) last observed price, NaN where there is none."""
    return panel.filled[:, -1] if panel.price.shape[1] else np.full(len(panel.price), np.nan)
