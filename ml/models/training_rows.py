"""Training samples of pooled models.

Days of series, the move that followed each, and prices from predicted moves.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ml.data.panel import Floats, Panel
from ml.features import FEATURES
from ml.features.exogenous import READ
from ml.features.inputs import Feature, FeatureInputs
from ml.features.related_series import Rows

WARM_UP_DAYS = 90  # of a series before it is learned from
STALE_DAYS = 7  # a day whose last price is older than this is not learned from
LEAST_ROWS = 500  # with fewer samples nothing is fitted: the forecasts are NaN, and naive takes their place
LARGEST_MOVE = 30.0  # in usual daily moves × √days; a larger label is an error of the source, not a price


class FeatureModel:
    """What models on features have in common. Raises ValueError for an unknown feature."""

    features: Sequence[str]
    used: tuple[str, ...]  # of `features`, those that had data at the fit

    @property
    def own_features(self) -> list[Feature]:
        """The features of the fit."""
        return features_by_name(self.used or self.features)

    @property
    def exogenous(self) -> tuple[str, ...]:
        """Names of the exogenous series that its features read."""
        groups = sorted({feature.group for feature in features_by_name(self.features)})
        return tuple(name for group in groups for name in READ.get(group, ()))


def features_by_name(names: Iterable[str]) -> list[Feature]:
    """Those features, in the order of FEATURES. Raises ValueError for an unknown name."""
    requested = set(names)
    if unknown := requested - {feature.name for feature in FEATURES}:
        raise ValueError(f"no such feature: {', '.join(sorted(unknown))}")
    return [feature for feature in FEATURES if feature.name in requested]


def features_with_data(names: Iterable[str], panel: Panel) -> tuple[str, ...]:
    """Those features without exogenous series, or with one that has a value in the panel.

    A column without a value would take the place of others in the draws of trees.
    """
    present = {series.name for series in panel.exogenous if np.isfinite(series.value).any()}
    return tuple(
        feature.name
        for feature in features_by_name(names)
        if feature.group not in READ or present & set(READ[feature.group])
    )


def training_samples(inputs: FeatureInputs, most: int) -> tuple[Rows, Rows]:
    """(series, day) of the samples to learn from, at most about `most`.

    A sample needs a recent price and WARM_UP_DAYS of history. When there are too many, every k-th day is
    taken, counted from the end.
    """
    count = inputs.y.shape[1]
    day = np.arange(count)
    last = np.maximum.accumulate(np.where(inputs.seen, day, -1000), axis=1)
    first = np.where(inputs.seen, day, count).min(axis=1, initial=count)
    fresh = (day - last < STALE_DAYS) & (day[None, :] >= first[:, None] + WARM_UP_DAYS) & (day < count - 1)
    stride = max(int(np.ceil(fresh.sum() / most)), 1)
    stride += stride % 7 == 0  # a stride of seven would see one weekday only
    series, days = np.nonzero(fresh & ((count - 1 - day) % stride == 0)[None, :])
    return series, days


def labels(inputs: FeatureInputs, series: Rows, days: Rows, horizon: int) -> tuple[Floats, Floats]:
    """(samples,) move of y over `horizon` days in units of v, and (samples,) weight.

    The weight is v where a price was reported on the target day, else 0: absolute errors then are errors of
    log price.
    """
    later = np.minimum(days + horizon, inputs.y.shape[1] - 1)
    v = inputs.v[series, days]
    move = (inputs.y[series, later] - inputs.y[series, days]) / v
    usable = (
        (days + horizon < inputs.y.shape[1])
        & inputs.seen[series, later]
        & (np.abs(move) < LARGEST_MOVE * np.sqrt(horizon))
    )
    return np.where(usable, move, 0.0), np.where(usable, v, 0.0)


def predict_known_series(
    series: Sequence[tuple[str, str]], panel: Panel, predict: Callable[[Panel], Floats]
) -> Floats:
    """(series of the panel, horizons) of a model that was fitted on `series`.

    NaN for series that it does not know.

    `predict` gets a panel with the series in the order of the fit.
    """
    if tuple(series) == panel.series:
        return predict(panel)
    known = predict(panel.reindex(series))
    row_of = {key: row for row, key in enumerate(series)}
    forecast = np.full((len(panel.series), known.shape[1]), np.nan)
    for row, key in enumerate(panel.series):
        if key in row_of:
            forecast[row] = known[row_of[key]]
    return forecast


def prices_from_moves(
    inputs: FeatureInputs, moves: Floats, known: Sequence[int], horizons: Sequence[int]
) -> Floats:
    """(series, horizons) rupiah from `moves`, (known horizons, series) in units of v.

    A horizon between two known ones is interpolated in log price; beyond the last one it is NaN.
    """
    # at horizon 0 nothing has moved
    path = [np.interp(horizons, (0, *known), (0.0, *own), right=np.nan) for own in moves.T]
    moved = np.array(path).reshape(-1, len(horizons))
    return np.asarray(np.exp(inputs.y[:, -1:] + inputs.v[:, -1:] * moved))
