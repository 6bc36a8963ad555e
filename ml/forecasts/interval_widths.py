"""Half-widths of forecast intervals: from measured errors, else from the usual volatility."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from lakehouse.reference import commodities
from ml.data.panel import Floats, Panel
from ml.evaluation.conformal import Calibration
from ml.models.forecaster import scale

NEAR = float(np.log(1.1))  # `confidence` is the probability that the price lands within 10 % of the forecast
REFERENCE = "reference"
Z_80 = 1.2815515655446004
Z_95 = 1.959963984540054
OBSERVED = 30  # changes that a series must show before its own volatility counts
VOLATILITY = 0.03  # sd of the daily log change of an unlisted commodity: that of shallot, so rather wide
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Margins:
    """(series, horizons) each. `basis`: what the other three were derived from."""

    half_80: Floats  # half-width of the interval of log price
    half_95: Floats
    confidence: Floats  # probability of landing within 10 %
    basis: npt.NDArray[np.str_]

    def at(self, rows: Ints) -> "Margins":
        """Those of these series."""
        return Margins(self.half_80[rows], self.half_95[rows], self.confidence[rows], self.basis[rows])

    def with_medians(self, groups: Sequence[Ints]) -> "Margins":
        """One more row per group of series: the median over the group, with the basis of its first series."""

        def append_medians(values: Floats) -> Floats:
            return np.vstack([values, *(np.median(values[rows], axis=0) for rows in groups)])

        return Margins(
            append_medians(self.half_80),
            append_medians(self.half_95),
            append_medians(self.confidence),
            np.vstack([self.basis, *(self.basis[rows[0]] for rows in groups)]),
        )


@dataclass(frozen=True)
class CalibratedMargins:
    """Margins from the past errors of one model; `reference_margins` where there are too few."""

    calibration: Calibration

    def __call__(self, panel: Panel, horizons: Sequence[int]) -> Margins:
        """Margins of every series, by the calibration of its commodity."""
        margins = reference_margins(panel, horizons)
        scales = scale(panel)
        for commodity in panel.distinct_commodities:
            rows = panel.rows_of(commodity)
            for column, horizon in enumerate(horizons):
                self._fill(margins, rows, column, commodity, horizon, scales[rows])
        return margins

    def _fill(
        self, margins: Margins, rows: Ints, column: int, commodity: str, horizon: int, scales: Floats
    ) -> None:
        unit = np.ones(len(rows))
        _, upper_80, basis_80 = self.calibration.bounds(commodity, horizon, unit, scales, 0.8)
        _, upper_95, basis_95 = self.calibration.bounds(commodity, horizon, unit, scales, 0.95)
        if REFERENCE in (basis_80, basis_95):
            return
        margins.half_80[rows, column] = np.log(upper_80)
        # each level adapts by itself: the wider interval must still contain the narrower one
        margins.half_95[rows, column] = np.maximum(np.log(upper_95), np.log(upper_80))
        margins.confidence[rows, column] = self.calibration.confidence(commodity, horizon, scales)
        margins.basis[rows, column] = basis_95


def reference_margins(panel: Panel, horizons: Sequence[int]) -> Margins:
    """Margins of a random walk of the log price with known daily volatility: sd grows with √horizon."""
    sd = volatility(panel)[:, None] * np.sqrt(np.asarray(horizons, dtype=float))[None, :]
    basis = np.full(sd.shape, REFERENCE, dtype="U32")
    return Margins(Z_80 * sd, Z_95 * sd, 2 * ndtr(NEAR / sd) - 1, basis)


def volatility(panel: Panel) -> Floats:
    """(series,) sd of the daily log change.

    The listed one of the commodity; from OBSERVED changes on, the series' own where that is larger.
    """
    listed = {name: commodity.daily_volatility for name, commodity in commodities().items()}
    reference = np.array([listed.get(name, VOLATILITY) for name in panel.commodities])
    change = np.diff(panel.log_price, axis=1)
    observed = np.isfinite(change)
    count = observed.sum(axis=1)
    own = np.sqrt((np.where(observed, change, 0.0) ** 2).sum(axis=1) / np.maximum(count, 1))
    return np.where(count >= OBSERVED, np.maximum(own, reference), reference)
