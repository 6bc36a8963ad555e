"""DBSCAN (Ester et al. 1996): which points belong to no group of points."""

import numpy as np

from lakehouse.validation import Flags
from lakehouse.validation.windows import Floats

# Points within `eps` that make a core point, the point itself included.
MIN_SAMPLES = 4
# Quantile of the distances to the fourth neighbour that `eps` is chosen by.
EPS_SHARE = 0.95


def noise(distance: Floats, eps: float) -> Flags:
    """Points that DBSCAN labels -1: no core point, and none within `eps`. `distance`: [points, points]."""
    near = distance <= eps
    core = near.sum(axis=1) >= MIN_SAMPLES
    return np.asarray(~(near & core[None]).any(axis=1), dtype=np.bool_)


def distance_to_core(points: Floats, point: Floats, eps: float) -> float:
    """Distance of one more point to the nearest core point, in `eps`; 0 when it is a core point itself.

    `points`: [points, 2]. DBSCAN labels the point -1 where the result is above 1.
    """
    away = np.hypot(*(points - point).T)
    if (away <= eps).sum() + 1 >= MIN_SAMPLES:
        return 0.0
    core = (distances(points) <= eps).sum(axis=1) + (away <= eps) >= MIN_SAMPLES
    return float(away[core].min() / eps) if core.any() else np.inf


def distances(points: Floats) -> Floats:
    """[points, points] Euclidean distances of points in a plane."""
    across = points[:, None, 0] - points[None, :, 0]
    along = points[:, None, 1] - points[None, :, 1]
    return np.hypot(across, along)
