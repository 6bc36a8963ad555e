"""Whether a model sees the future, answers twice alike, and leaves its input alone: shown by running it, before it may serve."""

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.backtest import Factory
from ml.features import Base, chosen, columns
from ml.forecaster import HORIZONS
from ml.learned import features_named
from ml.panel import Floats, Panel


@dataclass(frozen=True)
class Checks:
    """What the gate asks of a model besides its accuracy."""

    truncation: bool  # whatever happens after the origin, the answer is bit for bit the same
    rerun: bool  # a second model made and fitted alike answers bit for bit the same, also after a pickle
    unchanged: bool  # the panel that it was given is as before
    leakage: bool  # none of its features changes with what comes later; holds for models without features
    seconds: float = 0.0  # of one forecast of the panel

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(name for name in ("truncation", "rerun", "unchanged", "leakage") if not getattr(self, name))


def checked(panel: Panel, factory: Factory, origin: int, horizons: tuple[int, ...] = HORIZONS) -> Checks:
    """Fit and ask the model at one origin of a panel, of the panel with another future, and once more."""
    given = panel.until(origin)
    before = _bytes(given)
    model = factory()
    model.fit(given)
    began = time.perf_counter()
    answer = model.forecast(given, horizons)
    seconds = time.perf_counter() - began
    kept: Floats = pickle.loads(pickle.dumps(model)).forecast(given, horizons)  # noqa: S301 - what we pickled a moment ago
    truncation = _same(answer, _ask(factory, other_future(panel, origin).until(origin), horizons))
    return Checks(
        truncation=truncation,
        # the same answer to another future is also a rerun; one that differs may be a fault of either kind
        rerun=(truncation or _same(answer, _ask(factory, panel.until(origin), horizons))) and _same(answer, kept),
        unchanged=_bytes(given) == before,
        leakage=not leaking(panel, getattr(model, "features", ()), origin),
        seconds=seconds,
    )


def leaking(panel: Panel, features: Sequence[str], origin: int) -> list[str]:
    """Names of the features whose values up to the origin change with what comes after it; empty is as it should be."""
    asked, rows = features_named(features), np.arange(len(panel.series))
    selection = chosen(panel.until(origin))
    whole, cut = Base(other_future(panel, origin), selection), Base(panel.until(origin), selection)
    found = set()
    for day in (origin, origin - 1, origin // 2):
        one, other = (columns(base, asked, rows, np.full(len(rows), day)) for base in (whole, cut))
        found |= {feature.name for place, feature in enumerate(asked) if one[:, place].tobytes() != other[:, place].tobytes()}
    return sorted(found)


def other_future(panel: Panel, origin: int) -> Panel:
    """The same panel until the origin; afterwards every price is tripled, every outside value gone."""
    price = panel.price.copy()
    price[:, origin + 1 :] *= 3
    outside = []
    for one in panel.outside:
        value = one.value.copy()
        value[..., origin + 1 :] = np.nan
        outside.append(replace(one, value=value))
    return replace(panel, price=price, outside=tuple(outside))


def _ask(factory: Factory, panel: Panel, horizons: tuple[int, ...]) -> Floats:
    model = factory()
    model.fit(panel)
    return model.forecast(panel, horizons)


def _same(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _bytes(panel: Panel) -> tuple[bytes, ...]:
    return (panel.price.tobytes(), panel.days.tobytes(), *(one.value.tobytes() for one in panel.outside))
