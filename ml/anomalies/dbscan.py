"""DBSCAN over the provinces of one day, by their gap to the national level and their move of a week."""

import numpy as np

from lakehouse.validation.dbscan import EPS_SHARE, MIN_SAMPLES, noise
from ml.anomalies.observations import Flags, Floats, Ints
from ml.anomalies.scores import Scores

WINDOW_DAYS = 180


def outliers(scores: Scores, days: Ints) -> Flags:
    """[days, series] true where DBSCAN's label is -1.

    A point is (gap less the usual gap, move of a week less the day's median move). Each coordinate is divided
    by the commodity's median absolute deviation over the 180 days before; eps is the 95 % quantile of the
    distance to the 4th neighbour in the same days. The usual gap is subtracted so that a remote province is
    no outlier.
    """
    move = scores.move_7 - _day_median(scores.move_7)
    flags = np.zeros(scores.gap.shape, dtype=bool)
    fourth = np.full(scores.gap.shape, np.nan)
    for row, day in enumerate(days.tolist()):
        start = int(np.searchsorted(days, day - WINDOW_DAYS))
        scale = [_deviation(values[start:row]) for values in (scores.gap, move)]
        reported = np.flatnonzero(np.isfinite(scores.gap[row]) & np.isfinite(move[row]) & ~scores.hard[row])
        if not all(scale) or len(reported) <= MIN_SAMPLES:
            continue
        points = np.stack([scores.gap[row, reported] / scale[0], move[row, reported] / scale[1]], axis=1)
        distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        fourth[row, reported] = np.sort(distance, axis=1)[:, MIN_SAMPLES]
        past = fourth[start:row][np.isfinite(fourth[start:row])]
        if len(past) >= WINDOW_DAYS:
            flags[row, reported] = noise(distance, float(np.quantile(past, EPS_SHARE)))
    return flags


def _day_median(values: Floats) -> Floats:
    """[days, 1] median of each day; NaN for a day without values."""
    ascending = np.sort(values, axis=1)
    counts = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    low = ascending[rows, np.maximum(counts - 1, 0) // 2]
    high = ascending[rows, np.minimum(np.maximum(counts, 1) // 2, values.shape[1] - 1)]
    median: Floats = (low + high) / 2
    return median[:, None]


def _deviation(values: Floats) -> float:
    """Median absolute deviation of all finite values; 0 without any."""
    finite = values[np.isfinite(values)]
    return float(np.median(np.abs(finite - np.median(finite)))) if len(finite) else 0.0
