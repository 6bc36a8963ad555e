"""DBSCAN over one day's provinces: which stand apart from all others in their gap and in their move of a week."""

import numpy as np

from ml.anomaly_reports import Flags, Floats, Ints
from ml.anomaly_scores import Scores

NEIGHBOURS = 4  # min_samples
WINDOW_DAYS = 180
EPS_SHARE = 0.95  # of the distances to the 4th neighbour in the window


def outliers(found: Scores, days: Ints) -> Flags:
    """[days, series] true where DBSCAN's label is -1. Points are (gap less the usual gap, move of a week less the median's).

    Each coordinate is divided by the commodity's median absolute deviation over the 180 days before; eps is the 95 % quantile
    of the distance to the 4th neighbour in the same days. The gap's usual value is taken out: a remote province is no outlier.
    """
    move = found.move_7 - _middle(found.move_7)
    flags = np.zeros(found.gap.shape, dtype=bool)
    fourth = np.full(found.gap.shape, np.nan)
    for row, day in enumerate(days.tolist()):
        start = int(np.searchsorted(days, day - WINDOW_DAYS))
        scale = [_deviation(values[start:row]) for values in (found.gap, move)]
        there = np.flatnonzero(np.isfinite(found.gap[row]) & np.isfinite(move[row]) & ~found.hard[row])
        if not all(scale) or len(there) <= NEIGHBOURS:
            continue
        points = np.stack([found.gap[row, there] / scale[0], move[row, there] / scale[1]], axis=1)
        distance = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        fourth[row, there] = np.sort(distance, axis=1)[:, NEIGHBOURS]
        past = fourth[start:row][np.isfinite(fourth[start:row])]
        if len(past) >= WINDOW_DAYS:
            flags[row, there] = noise(distance, float(np.quantile(past, EPS_SHARE)))
    return flags


def noise(distance: Floats, eps: float) -> Flags:
    """Points that DBSCAN (Ester et al. 1996) labels -1: no core point, and none within `eps`; a point counts itself."""
    near = distance <= eps
    core = near.sum(axis=1) >= NEIGHBOURS
    return ~(near & core[None]).any(axis=1)


def _middle(values: Floats) -> Floats:
    """[days, 1] median of each day; NaN for a day without values."""
    ascending, counts = np.sort(values, axis=1), np.isfinite(values).sum(axis=1)
    low, high = np.maximum(counts - 1, 0) // 2, np.maximum(counts, 1) // 2
    rows = np.arange(len(values))
    return ((ascending[rows, low] + ascending[rows, np.minimum(high, values.shape[1] - 1)]) / 2)[:, None]


def _deviation(values: Floats) -> float:
    """Median absolute deviation of all finite values; 0 without any."""
    finite = values[np.isfinite(values)]
    return float(np.median(np.abs(finite - np.median(finite)))) if len(finite) else 0.0
