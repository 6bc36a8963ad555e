"""Coverage of intervals per half-year: an average over years hides months in which they were too narrow."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml.data.panel import Days
from ml.evaluation import metrics
from ml.evaluation.conformal import Intervals
from ml.evaluation.predictions import Predictions

LEVEL = 0.8


@dataclass(frozen=True)
class HalfYear:
    """Coverage of one model by the origins of one half-year, as shares."""

    half_year: str  # such as 2024-H1
    origins: int
    cells: int  # number of predictions with an interval
    coverage: float  # of all commodities together
    worst_commodity: str  # whose coverage is furthest from the level
    worst_coverage: float


def coverage_by_half_year(
    predictions: Predictions, intervals: Intervals, horizons: tuple[int, ...] = ()
) -> list[HalfYear]:
    """Oldest first, of all horizons or of those named.

    A forecast counts in the half-year of its origin; those without a calibrated interval do not count.
    """
    scored = intervals.calibrated
    if horizons:
        scored = scored & np.isin(predictions.horizon, horizons)
    return list(_half_years(predictions.select(scored), intervals.select(scored)))


def _half_years(predictions: Predictions, intervals: Intervals) -> Iterator[HalfYear]:
    number = half_year_numbers(predictions.days[predictions.origin])
    inside = (intervals.lower[LEVEL] <= predictions.actual) & (predictions.actual <= intervals.upper[LEVEL])
    for half_year in np.unique(number):
        rows = number == half_year
        by_commodity = {
            commodity: metrics.share(inside[rows & (predictions.commodity_index == index)])
            for index, commodity in enumerate(predictions.distinct_commodities)
            if (rows & (predictions.commodity_index == index)).any()
        }
        worst = max(by_commodity, key=lambda commodity: abs(by_commodity[commodity] - LEVEL))
        yield HalfYear(
            half_year=f"{1970 + half_year // 2}-H{1 + half_year % 2}",
            origins=len(np.unique(predictions.origin[rows])),
            cells=int(rows.sum()),
            coverage=metrics.share(inside[rows]),
            worst_commodity=worst,
            worst_coverage=by_commodity[worst],
        )


def half_year_numbers(days: Days) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(days,) half-years since January 1970."""
    return days.astype("datetime64[M]").astype(np.int64) // 6
