"""Forecasts without learning: what every model must beat before it may speak."""

from collections.abc import Sequence

import numpy as np

from ml.forecaster import HORIZONS
from ml.panel import Floats, Panel

WEEK = 7


class Naive:
    """The last observed price stays."""

    name = "naive"

    def fit(self, panel: Panel) -> None:
        """Nothing to learn."""

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah."""
        return np.repeat(last_price(panel)[:, None], len(horizons), axis=1)


class Drift(Naive):
    """The mean daily change of log price since the first observation goes on (Hyndman & Athanasopoulos, FPP3 5.2, on logs)."""

    name = "drift"

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; a series with a single price keeps it."""
        seen = np.isfinite(panel.price)
        days = seen.shape[1]
        if not days:
            return super().forecast(panel, horizons)
        first, latest = seen.argmax(axis=1), days - 1 - seen[:, ::-1].argmax(axis=1)
        row = np.arange(len(seen))
        rise = panel.log_price[row, latest] - panel.log_price[row, first]
        slope = rise / np.maximum(latest - first, 1)
        ahead = np.asarray(horizons)[None, :] + (days - 1 - latest)[:, None]
        return np.exp(panel.log_price[row, latest][:, None] + slope[:, None] * ahead)


class SeasonalNaive(Naive):
    """The price of the same weekday of the last week that is known.

    A season of 7 calendar days is a season of 5 business days for every target on a weekday, so one model serves sources that
    report daily and sources that are frozen at weekends.
    """

    name = "seasonal_naive"

    def forecast(self, panel: Panel, horizons: Sequence[int] = HORIZONS) -> Floats:
        """(series, horizons) rupiah; NaN where the series had not begun a week before the target."""
        day = panel.price.shape[1] - 1 + np.asarray(horizons)
        back = day - WEEK * -(-np.asarray(horizons) // WEEK)
        if not panel.price.shape[1]:
            return super().forecast(panel, horizons)
        return np.where(back >= 0, panel.filled[:, np.maximum(back, 0)], np.nan)


def last_price(panel: Panel) -> Floats:
    """(series,) last observed price, NaN where there is none."""
    return panel.filled[:, -1] if panel.price.shape[1] else np.full(len(panel.price), np.nan)
