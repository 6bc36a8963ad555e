"""The provinces of one commodity as points of a plane: does a price lie where no group of provinces lies?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from lakehouse.validation.dbscan import EPS_SHARE, MIN_SAMPLES, distance_to_core, distances
from lakehouse.validation.prices.closings import FRESH_DAYS
from lakehouse.validation.prices.scores import FLOOR_GAP, FLOOR_RESIDUAL
from lakehouse.validation.windows import Floats

# One spread: on a day on which hardly any price moved, all points lie together.
LEAST_EPS = 1.0
# With fewer provinces there is no shape to lie outside of.
FEWEST_PROVINCES = 8


@dataclass(frozen=True)
class CrossSection:
    """One point a province: its gap to the national level less the usual gap, and its move of a week.

    `points`: (provinces, 2), each axis divided by its own `spread` (2,). `usual`: ascending distances of the
    provinces to the nearest core point, in `eps`.
    """

    points: Floats
    spread: Floats
    eps: float
    usual: Floats

    def distance(self, gap: float, move: float) -> float:
        """Distance of a price to the nearest core point, in `eps`: above 1 DBSCAN labels it -1."""
        return distance_to_core(self.points, np.array([gap, move]) / self.spread, self.eps)


def cross_section(rows: Sequence[Mapping[str, Any]], without: str | None) -> CrossSection | None:
    """The cross section of rows of gold.series_stats of one commodity and channel, without one region.

    A province counts once, by its province-wide figure if it has one. None when too few provinces are known.
    """
    newest = max((row["last_day"] for row in rows if row["last_day"]), default=date.max)
    oldest = newest - timedelta(days=FRESH_DAYS)
    provinces: dict[str, tuple[float, float]] = {}
    for row in sorted(rows, key=lambda row: (row["level"] != "province", -(row["n"] or 0))):
        region = row["region_code"]
        if _is_complete(row) and region != without and region not in provinces and row["last_day"] >= oldest:
            gap = row["last_log"] - row["national_level"] - row["gap_median"]
            provinces[region] = (gap, row["last_log"] - row["level_7"])
    if len(provinces) < FEWEST_PROVINCES:
        return None
    plain = np.array(list(provinces.values()))
    middle = np.median(plain, axis=0)
    spread = np.median(np.abs(plain - middle), axis=0) + np.array([FLOOR_GAP, FLOOR_RESIDUAL])
    points = plain / spread
    neighbours = np.sort(distances(points), axis=1)
    eps = max(float(np.quantile(neighbours[:, MIN_SAMPLES], EPS_SHARE)), LEAST_EPS)
    usual = [
        distance_to_core(np.delete(points, number, axis=0), points[number], eps)
        for number in range(len(points))
    ]
    return CrossSection(points, spread, eps, np.sort(usual))


def _is_complete(row: Mapping[str, Any]) -> bool:
    names = ("last_log", "level_7", "national_level", "gap_median", "last_day")
    return all(row[name] is not None for name in names)
