"""Half-widths of forecast intervals and what they rest on: measured errors, else the usual volatility of the good."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from lakehouse.reference import commodities
from ml.forecaster import scale
from ml.intervals import Calibration
from ml.panel import Floats, Panel

NEAR = float(np.log(1.1))  # `confidence` is the probability that the price lands within 10 % of the forecast
REFERENCE = "reference"
Z_80, Z_95 = 1.2815515655446004, 1.959963984540054
OBSERVED = 30  # changes that a series must show before its own volatility counts
VOLATILITY = 0.03  # sd of the daily log change of a good that no list knows: that of shallot, so rather wide


@dataclass(frozen=True)
class Margins:
    """(series, horizons) each: half-widths of log price, probability of landing within 10 %, and the basis of all three."""

    half_80: Floats
    half_95: Floats
    near: Floats
    basis: npt.NDArray[np.str_]

    def of(self, rows: npt.NDArray[np.int64]) -> "Margins":
        """Those of these series."""
        return Margins(*(getattr(self, one.name)[rows] for one in fields(self)))

    def with_medians(self, groups: Sequence[npt.NDArray[np.int64]]) -> "Margins":
        """A row more for each group of series: the median over them; its basis is that of their first."""
        middles = ([np.median(part[rows], axis=0) for rows in groups] for part in (self.half_80, self.half_95, self.near))
        wide = (np.vstack([part, *more]) for part, more in zip((self.half_80, self.half_95, self.near), middles, strict=True))
        return Margins(*wide, np.vstack([self.basis, *(self.basis[rows[0]] for rows in groups)]))


@dataclass(frozen=True)
class Calibrated:
    """What past errors of one model say; where they say nothing, `reference_margins`."""

    calibration: Calibration

    def __call__(self, panel: Panel, horizons: Sequence[int]) -> Margins:
        """Margins of every series, by the calibration of its commodity."""
        found, size = reference_margins(panel, horizons), scale(panel)
        for good in panel.goods:
            rows = panel.of(good)
            for nth, horizon in enumerate(horizons):
                self._fill(found, rows, nth, good, horizon, size[rows])
        return found

    def _fill(self, found: Margins, rows: npt.NDArray[np.int64], nth: int, good: str, horizon: int, size: Floats) -> None:
        one, known = np.ones(len(rows)), self.calibration
        _, upper, basis = known.bounds(good, horizon, one, size, 0.8)
        _, outer, wider = known.bounds(good, horizon, one, size, 0.95)
        if REFERENCE in (basis, wider):
            return
        found.half_80[rows, nth] = np.log(upper)
        found.half_95[rows, nth] = np.maximum(np.log(outer), np.log(upper))  # adaptation moves each level on its own
        found.near[rows, nth] = known.confidence(good, horizon, size)
        found.basis[rows, nth] = wider


def reference_margins(panel: Panel, horizons: Sequence[int]) -> Margins:
    """A log price that walks at random with a known daily volatility: sd grows with the root of the horizon."""
    sd = volatility(panel)[:, None] * np.sqrt(np.asarray(horizons, dtype=float))[None, :]
    return Margins(Z_80 * sd, Z_95 * sd, 2 * ndtr(NEAR / sd) - 1, np.full(sd.shape, REFERENCE, dtype="U32"))


def volatility(panel: Panel) -> Floats:
    """(series,) sd of the daily log change: the larger of the listed one and, from `OBSERVED` changes on, the series' own."""
    listed = {name: good.daily_volatility for name, good in commodities().items()}
    reference = np.array([listed.get(name, VOLATILITY) for name in panel.commodities])
    change = np.diff(panel.log_price, axis=1)
    there = np.isfinite(change)
    n = there.sum(axis=1)
    own = np.sqrt((np.where(there, change, 0.0) ** 2).sum(axis=1) / np.maximum(n, 1))
    return np.where(n >= OBSERVED, np.maximum(own, reference), reference)
