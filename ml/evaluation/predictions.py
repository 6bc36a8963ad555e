"""The predictions of a backtest.

A row per series × origin × horizon with an observed target, and every model's forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.panel import Days, Floats

Ints = npt.NDArray[np.int64]
Selector = npt.NDArray[np.bool_] | Ints  # rows by mask or by number
NAIVE = "naive"
COLUMNS = ("series", "origin", "horizon", "actual", "scale", "step")  # of Predictions, besides forecasts


@dataclass(frozen=True)
class Predictions:
    """Columns of equal length, ordered by (origin, horizon, series).

    Every model is evaluated on exactly these rows.

    A forecast that a model did not give (not a number, not above zero) is replaced by the naive one;
    `replaced` counts them.
    """

    series: Ints  # row of the panel
    origin: Ints  # column of the panel: the last day that was known
    horizon: Ints  # calendar days from origin to target
    actual: Floats  # rupiah
    scale: Floats  # v at the origin: mean absolute daily change of log price
    step: Floats  # rupiah; the series' usual daily step up to the origin, for MASE
    forecasts: Mapping[str, Floats]  # model -> rupiah; always holds naive
    commodities: tuple[str, ...] = ()  # (series of the panel,)
    regions: tuple[str, ...] = ()
    days: Days = field(default_factory=lambda: np.empty(0, "datetime64[D]"))  # of the panel
    replaced: Mapping[str, int] = field(default_factory=dict)  # model -> forecasts replaced by naive

    def __len__(self) -> int:
        return self.actual.size

    @property
    def naive(self) -> Floats:
        """The naive forecast: the last price known at each origin."""
        return self.forecasts[NAIVE]

    @cached_property
    def distinct_commodities(self) -> tuple[str, ...]:
        """Commodity ids of the panel, each once, sorted."""
        return tuple(sorted(set(self.commodities)))

    @cached_property
    def commodity_index(self) -> Ints:
        """Position in `distinct_commodities` of each prediction's commodity."""
        positions = np.searchsorted(self.distinct_commodities, np.array(self.commodities))
        return positions[self.series].astype(np.int64)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, naive among them."""
        return tuple(self.forecasts)

    def select(self, rows: Selector) -> "Predictions":
        """Some of the predictions, by mask or by number. `replaced` stays that of all."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        forecasts = {model: forecast[rows] for model, forecast in self.forecasts.items()}
        return replace(self, **columns, forecasts=forecasts)

    def concatenate(self, other: "Predictions", models: tuple[str, ...]) -> "Predictions":
        """The rows of both, with the forecasts of `models` only.

        `replaced` stays that of these predictions.
        """
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(each, name) for each in (self, other)]) for name in COLUMNS
        }
        forecasts = {
            model: np.concatenate([each.forecasts[model] for each in (self, other)]) for model in models
        }
        return replace(self, **columns, forecasts=forecasts)

    def of_commodity(self, commodity: str) -> "Predictions":
        """The predictions of one commodity."""
        return self.select(self.commodity_index == self.distinct_commodities.index(commodity))

    def with_forecasts(self, **forecasts: Floats) -> "Predictions":
        """The same rows with the forecasts of further models, such as an ensemble."""
        filled = {}
        replaced = {}
        for model, forecast in forecasts.items():
            filled[model], replaced[model] = fill_with_naive(forecast, self.naive)
        return replace(self, forecasts={**self.forecasts, **filled}, replaced={**self.replaced, **replaced})


def fill_with_naive(forecast: Floats, naive: Floats) -> tuple[Floats, int]:
    """(the forecast, naive where it is not a price; how many were replaced).

    Raises ValueError for unequal shapes.
    """
    if forecast.shape != naive.shape:
        raise ValueError(f"{forecast.shape} forecasts for {naive.shape} predictions")
    usable = np.isfinite(forecast) & (forecast > 0)
    return np.where(usable, forecast, naive), int((~usable).sum())
