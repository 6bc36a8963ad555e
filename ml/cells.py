"""The cells of a backtest: a row for each series × origin × horizon with an observed target, and every model's forecast of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ml.panel import Days, Floats

Ints = npt.NDArray[np.int64]
NAIVE = "naive"


@dataclass(frozen=True)
class Cells:
    """Columns of equal length, ordered by (origin, horizon, series). Every model is judged on exactly these rows.

    A forecast that a model did not give (not a number, not above zero) is naive's; `replaced` says how many of each.
    """

    series: Ints  # row of the panel
    origin: Ints  # column of the panel: the last day that was known
    horizon: Ints  # calendar days from origin to target
    actual: Floats  # rupiah
    scale: Floats  # v at the origin: mean absolute daily change of log price
    step: Floats  # rupiah; the series' usual daily step up to the origin, for MASE
    forecasts: Mapping[str, Floats]  # model → rupiah; always holds naive
    commodities: tuple[str, ...] = ()  # (series of the panel,)
    regions: tuple[str, ...] = ()
    days: Days = field(default_factory=lambda: np.empty(0, "datetime64[D]"))  # of the panel
    replaced: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.actual.size

    @property
    def naive(self) -> Floats:
        """Last price known at each cell's origin."""
        return self.forecasts[NAIVE]

    @cached_property
    def goods(self) -> tuple[str, ...]:
        """Distinct commodities, sorted; `good` counts along them."""
        return tuple(sorted(set(self.commodities)))

    @cached_property
    def good(self) -> Ints:
        """Number in `goods` of each cell's commodity."""
        return np.searchsorted(self.goods, np.array(self.commodities))[self.series].astype(np.int64)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.forecasts)

    def where(self, rows: npt.NDArray[np.generic]) -> "Cells":
        """Some of the cells, by mask or by number. `replaced` stays that of all."""
        cut = {one.name: getattr(self, one.name)[rows] for one in fields(self)[:6]}
        return replace(self, **cut, forecasts={model: forecast[rows] for model, forecast in self.forecasts.items()})

    def then(self, later: "Cells") -> "Cells":
        """These cells and those of later origins of the same panel and models."""
        if len(self) and len(later) and self.origin.max() >= later.origin.min():
            raise ValueError("the other cells are not later")
        joined = {one.name: np.concatenate([getattr(self, one.name), getattr(later, one.name)]) for one in fields(self)[:6]}
        return replace(
            self,
            **joined,
            forecasts={model: np.concatenate([made, later.forecasts[model]]) for model, made in self.forecasts.items()},
            replaced={model: count + later.replaced[model] for model, count in self.replaced.items()},
        )

    def of(self, commodity: str) -> "Cells":
        """The cells of one commodity."""
        return self.where(self.good == self.goods.index(commodity))

    def at(self, *horizons: int) -> "Cells":
        """The cells of these horizons."""
        return self.where(np.isin(self.horizon, horizons))

    def with_forecasts(self, **forecasts: Floats) -> "Cells":
        """The same cells with further models (an ensemble is made from others' columns)."""
        filled, replaced = {}, {}
        for model, forecast in forecasts.items():
            filled[model], replaced[model] = or_naive(forecast, self.naive)
        return replace(self, forecasts={**self.forecasts, **filled}, replaced={**self.replaced, **replaced})


def or_naive(forecast: Floats, naive: Floats) -> tuple[Floats, int]:
    """(the forecast with naive where it is not a price, how many cells that were)."""
    if forecast.shape != naive.shape:
        raise ValueError(f"{forecast.shape} forecasts for {naive.shape} cells")
    usable = np.isfinite(forecast) & (forecast > 0)
    return np.where(usable, forecast, naive), int((~usable).sum())
