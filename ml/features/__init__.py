"""The named features of a forecast, each with its definition and the earliest time at which it is known."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.features import ahead, goods, national, outside, own
from ml.features.base import Base
from ml.features.feature import Feature
from ml.features.selection import Selection, chosen
from ml.panel import Panel

Rows = npt.NDArray[np.int64]
FEATURES: tuple[Feature, ...] = own.FEATURES + national.FEATURES + goods.FEATURES + ahead.FEATURES + outside.FEATURES
DECIMALS = 5  # rounding of sums taken in another order stays below
LARGEST = 1e4
REACH_DAYS = 500  # no feature but those of the weather looks further back


def columns(base: Base, features: Sequence[Feature], series: Rows, days: Rows) -> npt.NDArray[np.float32]:
    """(cells, features) of the cells series[i] × days[i], NaN where a feature is not known."""
    found = np.empty((len(series), len(features)), dtype=np.float32)
    shape = base.y.shape
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for place, feature in enumerate(features):
            values = np.broadcast_to(feature.of(base), shape)[series, days]
            found[:, place] = np.round(np.clip(values, -LARGEST, LARGEST), DECIMALS)
    return found


def latest(panel: Panel, selection: Selection, features: Sequence[Feature]) -> tuple[Base, npt.NDArray[np.float32]]:
    """(what they are made of, (series, features) of the panel's last day), from no more days than they reach back."""
    weather = any(one.group == "weather" for one in features)  # compared with all the years before
    base = Base(panel if weather else panel.since(max(len(panel.days) - REACH_DAYS, 0)), selection)
    rows = np.arange(len(panel.commodities))
    return base, columns(base, features, rows, np.full(len(rows), base.y.shape[1] - 1))


def described() -> list[dict[str, str]]:
    """Name, group, definition and availability of every feature, for the record."""
    return [{"name": f.name, "group": f.group, "says": f.says, "available": f.available} for f in FEATURES]


__all__ = ["FEATURES", "Base", "Feature", "Panel", "Selection", "chosen", "columns", "described", "latest"]
