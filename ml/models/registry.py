"""The registered forecasting models. A model is one module with a function `make` and one line here."""

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from ml.models.forecaster import Forecaster


@dataclass(frozen=True)
class ModelSpec:
    """What the rest of the program needs to know about a model without importing it.

    `module` is a module of `ml.models` with a function `make(name, seed, quick) -> Forecaster`. It is
    imported when a model is made, so that listing the models loads no library.
    """

    name: str
    module: str
    # fitted one series at a time: its fits can be spread over processes or a cluster
    per_series: bool = False
    learns: bool = True  # False: nothing is fitted, so there is nothing to check on random walks
    # its forecasts are drawn towards naive by a learned factor (ml.evaluation.ensemble)
    shrunk: bool = False
    on_demand: bool = False  # tried only when requested: a fit takes longer than all others together

    def make(self, seed: int, quick: bool) -> Forecaster:
        """A model that is not fitted yet.

        `quick`: smaller and less accurate, for tests and demonstrations.
        """
        return cast(Forecaster, import_module(f"ml.models.{self.module}").make(self.name, seed, quick))


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("naive", "naive", learns=False),
        ModelSpec("drift", "naive", learns=False),
        ModelSpec("seasonal_naive", "naive", learns=False),
        ModelSpec("ses", "statistical", per_series=True),
        ModelSpec("ets", "statistical", per_series=True),
        ModelSpec("theta", "statistical", per_series=True),
        ModelSpec("arima", "statistical", per_series=True),
        ModelSpec("linear", "linear", shrunk=True),
        ModelSpec("boosting", "boosting", shrunk=True),
        ModelSpec("prophet", "prophet", on_demand=True),
        ModelSpec("lstm", "lstm", shrunk=True, on_demand=True),
    )
}
PER_SERIES = frozenset(name for name, spec in MODELS.items() if spec.per_series)
SHRUNK = frozenset(name for name, spec in MODELS.items() if spec.shrunk)
ON_DEMAND = frozenset(name for name, spec in MODELS.items() if spec.on_demand)


def default_models(quick: bool) -> tuple[str, ...]:
    """Challengers of naive that a round tries when none is requested.

    A quick round fits no model series by series.
    """
    return tuple(
        name
        for name, spec in MODELS.items()
        if name != "naive" and not spec.on_demand and not (quick and spec.per_series)
    )
