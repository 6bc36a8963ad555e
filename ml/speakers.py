"""A fitted model with what its judges learnt about it: kept by a run, loaded for an issue, it speaks in gold.forecasts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ml.forecaster import Forecaster
from ml.margins import Margins, reference_margins
from ml.naive import Naive
from ml.panel import Floats, Panel

NAIVE = "naive"
NOT_TRIED = "no model was judged yet: naive is served"
Law = Callable[[Panel, Sequence[int]], Margins]  # how far prices lie from the model's forecasts


@dataclass(frozen=True)
class Judged:
    """What a backtest said of a model for one commodity."""

    skill: float | None = None  # against naive, all horizons
    reason: str = NOT_TRIED


@dataclass(frozen=True)
class Speaker:
    """Speaks for the commodities of `goods`; None: for every one that nobody else of its name speaks for."""

    forecaster: Forecaster
    law: Law = reference_margins
    judged: Mapping[str, Judged] = field(default_factory=dict)  # by commodity
    run_id: str | None = None
    goods: frozenset[str] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)  # commodity -> version in the registry, where it is champion

    series: tuple[tuple[str, str], ...] | None = None  # (commodity, region) in the order of the fit; None: any panel will do

    @property
    def name(self) -> str:
        """The model's name."""
        return self.forecaster.name

    def answer(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        """(series, horizons) rupiah; NaN for series that were not there when it was fitted."""
        if self.series is None:
            return self.forecaster.forecast(panel, horizons)
        place = {key: nth for nth, key in enumerate(zip(panel.commodities, panel.regions, strict=True))}
        rows = np.array([place.get(key, -1) for key in self.series])
        given = self.forecaster.forecast(as_fitted(panel, self.series, rows), horizons)
        found = np.full((len(panel.commodities), len(horizons)), np.nan)
        found[rows[rows >= 0]] = given[rows >= 0]
        return found

    def of(self, commodity: str) -> Judged:
        """What was said of it for the commodity."""
        return self.judged.get(commodity, Judged())


def as_fitted(panel: Panel, series: Sequence[tuple[str, str]], rows: np.ndarray) -> Panel:
    """The panel with exactly these series; `rows` are their places in it, -1 for one that is gone, which then has no price."""
    gone = (rows < 0)[:, None]
    outside = tuple(
        replace(one, value=np.where(gone, np.nan, one.value[rows])) if one.value.ndim == 2 else one for one in panel.outside
    )
    goods, regions = tuple(good for good, _ in series), tuple(region for _, region in series)
    units = tuple(panel.units[row] if row >= 0 else "" for row in rows)
    price = np.where(gone, np.nan, panel.price[rows])
    return Panel(goods, regions, units, panel.days, price, outside, panel.source)


def naive_alone() -> list[Speaker]:
    """Before anything was judged."""
    return [Speaker(Naive())]
