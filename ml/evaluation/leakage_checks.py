"""Checks of a model by running it.

It must not see the future, must repeat its forecasts, must not change its input.
"""

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.data.panel import ExogenousSeries, Floats, Panel
from ml.evaluation.block_cache import Factory
from ml.features import feature_matrix
from ml.features.inputs import FeatureInputs
from ml.features.related_series import find_related_series
from ml.models.forecaster import HORIZONS, Forecaster
from ml.models.training_rows import features_by_name

CHECKS = ("truncation", "rerun", "unchanged", "leakage")  # fields of ModelChecks


@dataclass(frozen=True)
class ModelChecks:
    """What the gate requires of a model besides its accuracy."""

    truncation: bool  # whatever happens after the origin, the forecast is bit for bit the same
    rerun: bool  # a second model, made and fitted alike, forecasts bit for bit the same, also after a pickle
    unchanged: bool  # the panel that it was given is as before
    leakage: bool  # none of its features changes with what comes later; True for models without features
    seconds: float = 0.0  # of one forecast of the panel

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(name for name in CHECKS if not getattr(self, name))


def check_model(
    panel: Panel, factory: Factory, origin: int, horizons: tuple[int, ...] = HORIZONS
) -> ModelChecks:
    """Fit and predict at one origin of the panel, of the panel with another future, and once more."""
    given = panel.until(origin)
    before = _bytes(given)
    model = factory()
    model.fit(given)
    began = time.perf_counter()
    forecast = model.predict(given, horizons)
    seconds = time.perf_counter() - began
    restored: Forecaster = pickle.loads(pickle.dumps(model))  # noqa: S301 - what we pickled a moment ago
    from_restored = restored.predict(given, horizons)
    other_past = other_future(panel, origin).until(origin)
    truncation = _same(forecast, _fit_predict(factory, other_past, horizons))
    # the same forecast with another future is also a rerun; one that differs may be a fault of either kind
    repeated = truncation or _same(forecast, _fit_predict(factory, panel.until(origin), horizons))
    return ModelChecks(
        truncation=truncation,
        rerun=repeated and _same(forecast, from_restored),
        unchanged=_bytes(given) == before,
        leakage=not leaking_features(panel, getattr(model, "features", ()), origin),
        seconds=seconds,
    )


def leaking_features(panel: Panel, features: Sequence[str], origin: int) -> list[str]:
    """Names of the features whose values up to the origin change with what comes after it.

    Empty for sound ones.
    """
    selected = features_by_name(features)
    rows = np.arange(len(panel.series))
    related = find_related_series(panel.until(origin))
    whole = FeatureInputs(other_future(panel, origin), related)
    cut = FeatureInputs(panel.until(origin), related)
    leaking = set()
    for day in (origin, origin - 1, origin // 2):
        from_whole, from_cut = (
            feature_matrix(inputs, selected, rows, np.full(len(rows), day)) for inputs in (whole, cut)
        )
        leaking |= {
            feature.name
            for column, feature in enumerate(selected)
            if from_whole[:, column].tobytes() != from_cut[:, column].tobytes()
        }
    return sorted(leaking)


def other_future(panel: Panel, origin: int) -> Panel:
    """The same panel until the origin; after it every price is tripled and every exogenous value removed."""
    price = panel.price.copy()
    price[:, origin + 1 :] *= 3

    def without_future(series: ExogenousSeries) -> ExogenousSeries:
        value = series.value.copy()
        value[..., origin + 1 :] = np.nan
        return replace(series, value=value)

    return replace(panel, price=price, exogenous=tuple(map(without_future, panel.exogenous)))


def _fit_predict(factory: Factory, panel: Panel, horizons: tuple[int, ...]) -> Floats:
    model = factory()
    model.fit(panel)
    return model.predict(panel, horizons)


def _same(first: Floats, second: Floats) -> bool:
    """Bit for bit."""
    return first.shape == second.shape and first.tobytes() == second.tobytes()


def _bytes(panel: Panel) -> tuple[bytes, ...]:
    return (
        panel.price.tobytes(),
        panel.days.tobytes(),
        *(series.value.tobytes() for series in panel.exogenous),
    )
