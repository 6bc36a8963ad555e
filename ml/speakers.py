"""A fitted model with what its judges learnt about it: kept by a run, loaded for an issue, it speaks in gold.forecasts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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

    @property
    def name(self) -> str:
        """The model's name."""
        return self.forecaster.name

    def answer(self, panel: Panel, horizons: Sequence[int]) -> Floats:
        """(series, horizons) rupiah; NaN for series that were not there when it was fitted."""
        return self.forecaster.forecast(panel, horizons)

    def of(self, commodity: str) -> Judged:
        """What was said of it for the commodity."""
        return self.judged.get(commodity, Judged())


def naive_alone() -> list[Speaker]:
    """Before anything was judged."""
    return [Speaker(Naive())]
