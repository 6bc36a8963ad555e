"""The named features of a forecast, each with its definition and the earliest time at which it is known."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.data.panel import Panel
from ml.features import calendar, commodities, exogenous, national, own
from ml.features.inputs import Feature, FeatureInputs
from ml.features.related_series import RelatedSeries, Rows

FEATURES: tuple[Feature, ...] = (
    own.FEATURES
    + national.FEATURES
    + commodities.FEATURES
    + exogenous.SECOND_FEATURES
    + calendar.FEATURES
    + exogenous.FEATURES
)
DECIMALS = 5  # rounding hides differences between sums taken in another order
LARGEST = 1e4
REACH_DAYS = 500  # no feature but those of the weather uses older days


def feature_matrix(
    inputs: FeatureInputs, features: Sequence[Feature], series: Rows, days: Rows
) -> npt.NDArray[np.float32]:
    """(samples, features) of series[i] on day days[i]; NaN where a feature is not known."""
    matrix = np.empty((len(series), len(features)), dtype=np.float32)
    shape = inputs.y.shape
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for column, feature in enumerate(features):
            values = np.broadcast_to(feature.compute(inputs), shape)[series, days]
            matrix[:, column] = np.round(np.clip(values, -LARGEST, LARGEST), DECIMALS)
    return matrix


def latest_features(
    panel: Panel, related: RelatedSeries, features: Sequence[Feature]
) -> tuple[FeatureInputs, npt.NDArray[np.float32]]:
    """(inputs, (series, features) of the panel's last day), computed from the last REACH_DAYS days.

    Weather features compare with all years before: with one of them, all days are used.
    """
    weather = any(feature.group == "weather" for feature in features)
    inputs = FeatureInputs(panel if weather else panel.since(max(len(panel.days) - REACH_DAYS, 0)), related)
    rows = np.arange(len(panel.commodities))
    return inputs, feature_matrix(inputs, features, rows, np.full(len(rows), inputs.y.shape[1] - 1))
