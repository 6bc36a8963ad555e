"""What a feature is, and what all of them are computed from: log prices, their changes, national levels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.panel import Floats, Panel
from ml.features import rolling
from ml.features.related_series import RelatedSeries, Rows

LEAST_MOVE = 1e-4  # added to v, so that a price that never moves has a scale
LARGEST_MOVE = 0.5  # log changes beyond count as this much in national means
LEAST_PROVINCES = 3  # behind a national level
# Earliest time at which a feature is known.
CUT = "columns up to the origin: prices known at its cut"
AHEAD = "known years ahead"
RELEASE = "released before the cut of the origin"
CHOSEN = "as prices; which series are meant is chosen on days before the fit"
ENACTED = "valid on the origin's day"

Compute = Callable[["FeatureInputs"], Floats]
Definitions = Mapping[str, tuple[str, Compute]]  # name -> (definition, values)


class FeatureInputs:
    """(series, days) matrices of a panel, each computed once, when it is first read.

    Column t of each depends on columns up to t only (tests/ml/features). The names are those of the features'
    definitions:

    - y: natural logarithm of the last price reported
    - r(k): change of y over k days
    - v: usual daily change of y
    - n(k): mean r(k) of the other provinces
    - level: national level of y; g: gap of y to it
    """

    def __init__(self, panel: Panel, related: RelatedSeries) -> None:
        self.panel = panel
        self.related = related
        self._cache: dict[str, Floats] = {}

    def cached(self, name: str, compute: Callable[[], Floats]) -> Floats:
        """`compute()`, called once per name."""
        if name not in self._cache:
            self._cache[name] = compute()
        return self._cache[name]

    @cached_property
    def commodity_rows(self) -> tuple[Rows, ...]:
        """Row numbers of each commodity's series."""
        return tuple(self.panel.rows_of(commodity) for commodity in self.panel.distinct_commodities)

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Whether a price was reported on the day."""
        return np.isfinite(self.panel.price)

    @cached_property
    def y(self) -> Floats:
        """Natural logarithm of the last price reported."""
        return np.log(self.panel.filled)

    @cached_property
    def r1(self) -> Floats:
        """Change of y over a day."""
        return self.r(1)

    def r(self, days: int) -> Floats:
        """Change of y over so many days."""
        return self.cached(f"r{days}", lambda: self.y - rolling.lagged(self.y, days))

    @cached_property
    def v(self) -> Floats:
        """Mean absolute r1 over the days with a report among the last 180, + 1e-4."""
        return usual_moves(self.r1, self.seen)

    def n(self, days: int) -> Floats:
        """National move over so many days: mean r of the other provinces, clipped to ± LARGEST_MOVE."""
        return self.cached(
            f"n{days}", lambda: self.mean_of_others(np.clip(self.r(days), -LARGEST_MOVE, LARGEST_MOVE))
        )

    def mean_of_others(self, values: Floats) -> Floats:
        """Mean over the other series of the same commodity; NaN where none of them has a value."""
        return pooled(values, self.commodity_rows, mean_without_own)

    def per_commodity(self, values: Floats, pool: Callable[[Floats], Floats]) -> Floats:
        """`pool` of the (provinces, days) values of each commodity, the same in every series of it.

        NaN on days on which fewer than LEAST_PROVINCES provinces (or all, if there are fewer) have a value.
        """
        pooled = np.full(values.shape, np.nan)
        for rows in self.commodity_rows:
            enough = np.isfinite(values[rows]).sum(axis=0) >= min(LEAST_PROVINCES, len(rows))
            pooled[np.ix_(rows, np.flatnonzero(enough))] = pool(values[rows][:, enough])
        return pooled

    @cached_property
    def level(self) -> Floats:
        """National level: median of y over the provinces of the commodity."""
        return self.per_commodity(self.y, lambda part: np.nanmedian(part, axis=0))

    @cached_property
    def g(self) -> Floats:
        """Gap of y to the national level."""
        return self.y - self.level

    @cached_property
    def g_usual(self) -> Floats:
        """Median of g over 90 days."""
        return rolling.median(self.g, 90)

    def mean_over(self, rows: Rows, values: Floats) -> Floats:
        """Mean of `values` over the series that a field of `related` names for each series.

        NaN where none has a value.
        """
        part = values[np.maximum(rows, 0)]  # (series, related series, days)
        present = np.isfinite(part) & (rows >= 0)[:, :, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(present, part, 0.0).sum(axis=1) / present.sum(axis=1)
        return np.where(present.any(axis=1), mean, np.nan)

    def exogenous(self, name: str) -> Floats:
        """(series, days) last known value of an exogenous series; NaN where the panel does not have it."""
        for series in self.panel.exogenous:
            if series.name == name:
                carried = pd.DataFrame(np.atleast_2d(series.value)).ffill(axis=1).to_numpy()
                return np.broadcast_to(carried, self.y.shape)
        return np.full(self.y.shape, np.nan)


def usual_moves(change: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """(series, days) mean absolute daily change over the days with a report among the last 180, + 1e-4.

    The same as `ml.models.forecaster.scale` of the panel that ends at each day.
    """
    counted = seen & np.isfinite(change)
    moved = rolling.total(np.where(counted, np.abs(change), 0.0), 180)
    return moved / np.maximum(rolling.total(counted.astype(float), 180), 1.0) + LEAST_MOVE


def pooled(values: Floats, groups: Iterable[Rows], pool: Callable[[Floats], Floats]) -> Floats:
    """`pool` of the (rows, days) values of each group, in its rows. `groups`: row numbers."""
    result = np.full(values.shape, np.nan)
    for rows in groups:
        result[rows] = pool(values[rows])
    return result


def mean_without_own(values: Floats) -> Floats:
    """(rows, days) mean of the other rows' values on the same day; NaN where none of them has one."""
    present = np.isfinite(values)
    total = np.where(present, values, 0.0)
    count = present.sum(axis=0) - present
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, (total.sum(axis=0) - total) / count, np.nan)


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
