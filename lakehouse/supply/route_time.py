"""How long a delivery takes: a heuristic by distance, rain, traffic and disasters.

All numbers of it are assumptions. It serves a route until the quantiles of its deliveries are nearer: see
gold.routes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from lakehouse.feasts import is_near_eid

Disaster = Literal["none", "flood", "landslide", "closed"]
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


def heuristic_hours(distance_km: float, conditions: Conditions, by_sea: bool = False) -> float:
    """Hours that the heuristic gives for a delivery under the conditions of its departure."""
    return base_hours(distance_km, by_sea) * (1 + conditions.slowdown)


def largest_rain(rain: Mapping[tuple[str, date], float], codes: Sequence[str | None], day: date) -> float:
    """The most rain of a day, mm, in the provinces; 0 where none was measured."""
    return max((rain.get((code, day), 0.0) for code in codes if code is not None), default=0.0)


def crosses_sea(origin: str | None, destination: str | None) -> bool:
    """Whether the provinces lie on different island groups, which the first digit of their code names."""
    return origin is not None and destination is not None and origin[0] != destination[0]
