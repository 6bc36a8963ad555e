"""Half-widths of forecast intervals and what they rest on; here the last resort, before any error has been measured."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from lakehouse.reference import commodities
from ml.panel import Floats, Panel

NEAR = float(np.log(1.1))  # `confidence` is the probability that the price lands within 10 % of the forecast
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


def reference_margins(panel: Panel, horizons: Sequence[int]) -> Margins:
    """A log price that walks at random with a known daily volatility: sd grows with the root of the horizon."""
    sd = volatility(panel)[:, None] * np.sqrt(np.asarray(horizons, dtype=float))[None, :]
    return Margins(Z_80 * sd, Z_95 * sd, 2 * ndtr(NEAR / sd) - 1, np.full(sd.shape, "reference"))


def volatility(panel: Panel) -> Floats:
    """(series,) sd of the daily log change: the larger of the listed one and, from `OBSERVED` changes on, the series' own."""
    listed = {name: good.daily_volatility for name, good in commodities().items()}
    reference = np.array([listed.get(name, VOLATILITY) for name in panel.commodities])
    change = np.diff(panel.log_price, axis=1)
    there = np.isfinite(change)
    n = there.sum(axis=1)
    own = np.sqrt((np.where(there, change, 0.0) ** 2).sum(axis=1) / np.maximum(n, 1))
    return np.where(n >= OBSERVED, np.maximum(own, reference), reference)
