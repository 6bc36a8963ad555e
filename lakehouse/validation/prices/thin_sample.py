"""Days on which few places report, or many prices are round: averages of one or two reporters."""

from dataclasses import dataclass

import numpy as np

from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Floats, Ints

USUAL_DAYS = 28
# Days with reports among them from which a usual sample is known.
ENOUGH_DAYS = 7
ROUND_IDR = 500


@dataclass(frozen=True)
class ThinSample:
    """A day with a thin sample: shares of the usual reports, and of round prices on it and usually."""

    coverage: float
    heaped: float
    usual_heaped: float

    @property
    def reason(self) -> str:
        """Text for a decision."""
        return (
            f"thin sample: {self.coverage:.0%} of the usual series report, {self.heaped:.0%} of the prices "
            f"are multiples of {ROUND_IDR} (usual {self.usual_heaped:.0%})"
        )


def thin_sample(prices: Floats, days: Ints, row: int, thresholds: Thresholds) -> ThinSample | None:
    """The day `row` of a panel if its sample is thin, else None.

    `prices`: rupiah, [days, series], NaN without a report; `days`: ascending epoch days. Thin is a day with
    less than `thin_coverage` of the usual reports, or a share of round prices above `thin_heaping` times the
    usual one. Usual is the median of the 28 days before; later days are not read. With fewer than `min_peers`
    usual reports, or round prices, it says nothing.
    """
    start = int(np.searchsorted(days[:row], days[row] - USUAL_DAYS))
    window = prices[start : row + 1]
    window = window[np.isfinite(window).any(axis=1)]
    if len(window) <= ENOUGH_DAYS or not np.isfinite(prices[row]).any():
        return None
    reports = np.isfinite(window).sum(axis=1)
    heaps = (window % ROUND_IDR == 0).sum(axis=1)
    heaped = heaps / reports
    usual, usual_heaped = float(np.median(reports[:-1])), float(np.median(heaped[:-1]))
    if usual < thresholds.min_peers:
        return None
    sample = ThinSample(float(reports[-1] / usual), float(heaped[-1]), usual_heaped)
    many_round = heaps[-1] >= thresholds.min_peers and sample.heaped > thresholds.thin_heaping * usual_heaped
    return sample if sample.coverage < thresholds.thin_coverage or many_round else None
