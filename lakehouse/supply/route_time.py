"""How long a delivery takes: a heuristic by distance, rain, traffic and disasters, and observed quantiles.

All numbers of the heuristic are assumptions. It serves a route until LEAST_OBSERVED deliveries of it have
arrived and their quantiles were nearer to the newest of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from lakehouse.feasts import is_near_eid

Disaster = Literal["none", "flood", "landslide", "closed"]
Floats = npt.NDArray[np.float64]
TRUCK_KM_PER_HOUR = 40.0
FERRY_KM_PER_HOUR = 18.0
FERRY_PORT_HOURS = 6.0
# BMKG's classes of rain, mm a day from which -> share added to the hours.
RAIN_CLASSES = ((150.0, 1.0), (100.0, 0.5), (50.0, 0.25), (20.0, 0.10))
PEAK_HOURS = frozenset((6, 7, 8, 16, 17, 18))
NIGHT_HOURS = frozenset((21, 22, 23, 0, 1, 2, 3, 4))
PEAK_TRAFFIC = 0.35
DAY_TRAFFIC = 0.15
EID_TRAFFIC = 0.30
DISASTERS: Mapping[Disaster, float] = {"none": 0.0, "flood": 0.5, "landslide": 1.0, "closed": 1.0}
LEAST_OBSERVED = 50  # arrived deliveries
MOST_OBSERVED = 500  # newest ones
TEST_SHARE = 0.2  # newest deliveries that quantiles and heuristic are compared on


@dataclass(frozen=True)
class Conditions:
    """Shares, 0 to 1, by which rain, traffic and disasters lengthen a journey; `closed`: no way through."""

    weather: float = 0.0
    traffic: float = 0.0
    disaster: float = 0.0
    closed: bool = False

    @property
    def slowdown(self) -> float:
        """Hours of delay per hour of driving."""
        return (1 + self.weather) * (1 + self.traffic) * (1 + self.disaster) - 1


@dataclass(frozen=True)
class Journey:
    """An arrived delivery: hours on the way, distance, and the conditions at its departure."""

    hours: float
    distance_km: float
    conditions: Conditions
    by_sea: bool = False


@dataclass(frozen=True)
class ObservedTimes:
    """Quantiles of the hours per km of a route, and the errors (hours) on its newest deliveries.

    `baseline_mae`: of the median hours of the route. `p90_coverage`: share of the newest within the 90th
    percentile.
    """

    p50_hours_per_km: float
    p90_hours_per_km: float
    mae: float
    heuristic_mae: float
    baseline_mae: float
    p90_coverage: float

    @property
    def serves(self) -> bool:
        """Whether the quantiles are at least as near as the heuristic."""
        return self.mae <= self.heuristic_mae


def base_hours(distance_km: float, by_sea: bool = False) -> float:
    """Hours of driving, or of the ferry and its ports, without any delay."""
    return distance_km / FERRY_KM_PER_HOUR + FERRY_PORT_HOURS if by_sea else distance_km / TRUCK_KM_PER_HOUR


def weather_share(rainfall_mm: float | None) -> float:
    """The share that a day's rain adds."""
    rain = rainfall_mm or 0.0
    return next((share for least, share in RAIN_CLASSES if rain >= least), 0.0)


def traffic_share(moment: datetime, timezone: str) -> float:
    """The share that traffic adds at a moment, by the local hour and the weeks around Idul Fitri."""
    local = moment.astimezone(ZoneInfo(timezone))
    share = PEAK_TRAFFIC if local.hour in PEAK_HOURS else 0.0 if local.hour in NIGHT_HOURS else DAY_TRAFFIC
    return share + (EID_TRAFFIC if is_near_eid(local.date()) else 0.0)


def heuristic_hours(journey: Journey) -> float:
    """Hours that the heuristic gives for a delivery."""
    return base_hours(journey.distance_km, journey.by_sea) * (1 + journey.conditions.slowdown)


def observed_times(journeys: Sequence[Journey]) -> ObservedTimes | None:
    """What the deliveries of a route, oldest first, took; None while fewer than LEAST_OBSERVED arrived.

    The errors are those of quantiles of the older ones on the newest fifth; the quantiles are of all.
    """
    newest = journeys[-MOST_OBSERVED:]
    if len(newest) < LEAST_OBSERVED:
        return None
    cut = len(newest) - int(np.ceil(TEST_SHARE * len(newest)))
    older, later = newest[:cut], newest[cut:]
    pace = np.array([journey.hours / journey.distance_km for journey in newest])
    hours = np.array([journey.hours for journey in later])
    km = np.array([journey.distance_km for journey in later])
    p50, p90 = np.quantile(pace[:cut], [0.5, 0.9])
    heuristic = np.array([heuristic_hours(journey) for journey in later])
    median = float(np.median([journey.hours for journey in older]))
    all_p50, all_p90 = np.quantile(pace, [0.5, 0.9])
    return ObservedTimes(
        p50_hours_per_km=float(all_p50),
        p90_hours_per_km=float(all_p90),
        mae=mean_error(hours, p50 * km),
        heuristic_mae=mean_error(hours, heuristic),
        baseline_mae=mean_error(hours, np.full(len(hours), median)),
        p90_coverage=float(np.mean(hours <= p90 * km)),
    )


def mean_error(hours: Floats, expected: Floats) -> float:
    """Mean absolute error, hours."""
    return float(np.mean(np.abs(hours - expected)))


def largest_rain(rain: Mapping[tuple[str, date], float], codes: Sequence[str | None], day: date) -> float:
    """The most rain of a day, mm, in the provinces; 0 where none was measured."""
    return max((rain.get((code, day), 0.0) for code in codes if code is not None), default=0.0)
