"""What is known about a feature beside its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml.features.base import Base
from ml.panel import Floats

CUT = "columns up to the origin: prices known at its cut"
AHEAD = "known years ahead"
RELEASE = "released before the cut of the origin"
CHOSEN = "as prices; which series are meant is chosen on days before the fit"
ENACTED = "valid on the origin's day"


@dataclass(frozen=True)
class Feature:
    """A named column. `of` gives its values, broadcastable to (series, days); column t is what is known at the cut of day t."""

    name: str
    group: str
    says: str
    available: str
    of: Callable[[Base], Floats]


Told = Mapping[str, tuple[str, Callable[[Base], Floats]]]


def named(group: str, available: str, told: Told) -> tuple[Feature, ...]:
    """Features of one group and availability from name -> (definition, values)."""
    return tuple(Feature(name, group, says, available, of) for name, (says, of) in told.items())
