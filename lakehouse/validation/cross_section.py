"""DBSCAN over the provinces of one commodity: does a price lie where no group of provinces lies?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from lakehouse.validation.price_panel import FRESH_DAYS
from lakehouse.validation.price_scores import FLOOR_GAP, FLOOR_RESIDUAL
from lakehouse.validation.windows import Floats

MIN_SAMPLES = 4  # with the point itself
EPS_SHARE = 0.95  # quantile of the distances to the fourth neighbour
LEAST_EPS = 1.0  # one spread: on a day on which hardly a price moved all points fall together
LEAST = 8  # provinces below which there is no shape to lie outside of


@dataclass(frozen=True)
class CrossSection:
    """Points (gap to the national level less the usual gap, move against the last week's level), each axis in its own spread."""

    points: Floats  # (provinces, 2)
    spread: Floats  # (2,)
    eps: float
    usual: Floats  # ascending: distance of each province to the nearest core point, in eps

    def distance(self, gap: float, move: float) -> float:
        """To the nearest core point, in eps: above 1 DBSCAN labels the point -1."""
        return reach(self.points, np.array([gap, move]) / self.spread, self.eps)


def reach(points: Floats, one: Floats, eps: float) -> float:
    """Distance of `one` to the nearest core point of itself and `points`, in eps; 0 when it is core itself."""
    away = np.hypot(*(points - one).T)
    if (away <= eps).sum() + 1 >= MIN_SAMPLES:
        return 0.0
    between = np.hypot(points[:, None, 0] - points[None, :, 0], points[:, None, 1] - points[None, :, 1])
    core = (between <= eps).sum(axis=1) + (away <= eps) >= MIN_SAMPLES
    return float(away[core].min() / eps) if core.any() else np.inf


def cross_section(rows: Sequence[Mapping[str, Any]], apart: str | None) -> CrossSection | None:
    """Of rows of gold.series_stats of one commodity and channel, without region `apart`; a province counts once, by its
    province-wide figure if it has one. None when too few provinces are known."""
    newest = max((row["last_day"] for row in rows if row["last_day"]), default=date.max)
    found: dict[str, tuple[float, float]] = {}
    for row in sorted(rows, key=lambda row: (row["level"] != "province", -(row["n"] or 0))):
        known = all(row[name] is not None for name in ("last_log", "level_7", "national_level", "gap_median", "last_day"))
        if known and row["region_code"] not in (apart, *found) and row["last_day"] >= newest - timedelta(days=FRESH_DAYS):
            gap = row["last_log"] - row["national_level"] - row["gap_median"]
            found[row["region_code"]] = (gap, row["last_log"] - row["level_7"])
    if len(found) < LEAST:
        return None
    plain = np.array(list(found.values()))
    spread = np.median(np.abs(plain - np.median(plain, axis=0)), axis=0) + np.array([FLOOR_GAP, FLOOR_RESIDUAL])
    points = plain / spread
    between = np.sort(np.hypot(points[:, None, 0] - points[None, :, 0], points[:, None, 1] - points[None, :, 1]), axis=1)
    eps = max(float(np.quantile(between[:, MIN_SAMPLES], EPS_SHARE)), LEAST_EPS)
    usual = np.sort([reach(np.delete(points, nth, axis=0), points[nth], eps) for nth in range(len(points))])
    return CrossSection(points, spread, eps, usual)
