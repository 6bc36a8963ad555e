"""A feature: a named column with its definition and the earliest time at which it is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml.data.panel import Floats
from ml.features.inputs import FeatureInputs

# Earliest time at which a feature is known.
CUT = "columns up to the origin: prices known at its cut"
AHEAD = "known years ahead"
RELEASE = "released before the cut of the origin"
CHOSEN = "as prices; which series are meant is chosen on days before the fit"
ENACTED = "valid on the origin's day"

Compute = Callable[[FeatureInputs], Floats]
Definitions = Mapping[str, tuple[str, Compute]]  # name -> (definition, values)


@dataclass(frozen=True)
class Feature:
    """A named column.

    `compute` returns values that broadcast to (series, days); column t is what is known at day t's cut.
    """

    name: str
    group: str
    definition: str
    available: str
    compute: Compute


def define_features(group: str, available: str, definitions: Definitions) -> tuple[Feature, ...]:
    """Features of one group and one availability."""
    return tuple(
        Feature(name, group, definition, available, compute)
        for name, (definition, compute) in definitions.items()
    )
