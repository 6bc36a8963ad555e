"""What the features are made of: log prices, their moves, national and neighbouring ones. Computed once, when first asked for."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ml.features import rolling
from ml.features.selection import Selection
from ml.panel import Floats, Panel

LEAST_MOVE = 1e-4  # added to v, so that a price that never moves has a scale
WILD = 0.5  # log moves beyond count as this much in national means
LEAST_PROVINCES = 3  # behind a national level


class Base:
    """(series, days) matrices of a panel; column t of each depends on columns up to t only (law in tests/ml)."""

    def __init__(self, panel: Panel, selection: Selection) -> None:
        self.panel = panel
        self.selection = selection
        self._kept: dict[str, Floats] = {}

    def keep(self, name: str, made: Callable[[], Floats]) -> Floats:
        """`made()`, computed once."""
        if name not in self._kept:
            self._kept[name] = made()
        return self._kept[name]

    @cached_property
    def goods(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Rows of each good's series."""
        return tuple(self.panel.of(good) for good in self.panel.goods)

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Whether somebody reported on the day."""
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
        return self.keep(f"r{days}", lambda: self.y - rolling.lagged(self.y, days))

    @cached_property
    def v(self) -> Floats:
        """Mean absolute r1 over the days of the last 180 with a report, + 1e-4: as ml.forecaster.scale at every day."""
        counted = self.seen & np.isfinite(self.r1)
        moved = rolling.total(np.where(counted, np.abs(self.r1), 0.0), 180)
        return moved / np.maximum(rolling.total(counted.astype(float), 180), 1.0) + LEAST_MOVE

    def n(self, days: int) -> Floats:
        """National move over so many days: mean of r of the other provinces, wild ones bounded."""
        return self.keep(f"n{days}", lambda: self.without_own(np.clip(self.r(days), -WILD, WILD)))

    def without_own(self, values: Floats) -> Floats:
        """Mean over the other series of the same good; NaN where nobody else has a value."""
        found = np.full(values.shape, np.nan)
        for rows in self.goods:
            there = np.isfinite(values[rows])
            some = np.where(there, values[rows], 0.0)
            count = there.sum(axis=0) - there
            with np.errstate(invalid="ignore", divide="ignore"):
                found[rows] = np.where(count > 0, (some.sum(axis=0) - some) / count, np.nan)
        return found

    def by_good(self, values: Floats, pooled: Callable[[Floats], Floats]) -> Floats:
        """(series, days) the same `pooled` figure of (provinces, days) in every series of a good."""
        found = np.full(values.shape, np.nan)
        for rows in self.goods:
            enough = np.isfinite(values[rows]).sum(axis=0) >= min(LEAST_PROVINCES, len(rows))
            found[np.ix_(rows, np.flatnonzero(enough))] = pooled(values[rows][:, enough])
        return found

    @cached_property
    def level(self) -> Floats:
        """National level: median of y over the provinces of the good."""
        return self.by_good(self.y, lambda part: np.nanmedian(part, axis=0))

    @cached_property
    def g(self) -> Floats:
        """Gap to the national level."""
        return self.y - self.level

    @cached_property
    def g_usual(self) -> Floats:
        """Median of g over 90 days."""
        return rolling.median(self.g, 90)

    def over(self, weights: str, values: Floats) -> Floats:
        """Mean of `values` over the series that `weights` of the selection names for each series."""
        chosen: npt.NDArray[np.int64] = getattr(self.selection, weights)
        part = values[np.maximum(chosen, 0)]  # (series, chosen, days)
        there = np.isfinite(part) & (chosen >= 0)[:, :, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(there.any(axis=1), np.where(there, part, 0.0).sum(axis=1) / there.sum(axis=1), np.nan)

    def outside(self, name: str) -> Floats:
        """Last known value of something beside the prices, (series, days); NaN where the panel does not have it."""
        for one in self.panel.outside:
            if one.name == name:
                value = np.atleast_2d(one.value)
                at = np.where(np.isfinite(value), np.arange(value.shape[1]), -1)
                last = np.maximum.accumulate(at, axis=1)
                held = np.where(last >= 0, np.take_along_axis(value, np.maximum(last, 0), axis=1), np.nan)
                return np.broadcast_to(held, self.y.shape)
        return np.full(self.y.shape, np.nan)
