"""Prices and rain of the simulated country: one seeded walk, which the history and the live markets share.

A commodity's price is its typical level times season, feast, a national walk, the gap of the market to it,
and the error of its reporters. Hubs see a national move first and other markets days later; gaps close again,
and rain raises what grows outdoors. So a model can forecast some of it, as in published prices.
"""

import math
import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from lakehouse.feasts import EID, feast_days_of
from lakehouse.reference import Commodity, Market, commodities, markets, provinces

Floats = npt.NDArray[np.float64]
FIRST = date(2023, 1, 1)  # every walk begins here, so that a day has the same price on every run
MARKETS = 12
# Amplitude of the yearly wave and height of the holiday peak, as shares of the price. From published prices.
SEASON = {"chilli": 0.20, "allium": 0.10, "protein": 0.03, "rice": 0.03}
HOLIDAY_PEAK = {"chilli": 0.15, "protein": 0.10, "allium": 0.06}
HOLIDAY_RAMP_DAYS = 14
PROVINCE_SPREAD = 0.06  # sd of the log price level between provinces
ROUNDED_TO_IDR = 50
# Standard deviations of the parts of a day's move, in units of the commodity's daily volatility.
NATIONAL = 0.4
OWN = 0.45
SURVEY = 0.35
MOMENTUM = 0.5  # share of a national move that goes on the next day
NATIONAL_PERSISTENCE = 0.98  # share of the distance to the usual level that remains on the next day
OWN_PERSISTENCE = 0.93
HUBS = 3  # the first markets; the others see a national move one to four days later
RAIN_EFFECT = {"chilli": 0.3, "allium": 0.15}  # of log price, at much more rain than usual for two weeks
RAIN_LAG_DAYS = 7
RAIN_WINDOW_DAYS = 14
RAIN_PERSISTENCE = 0.85
# A shortage of chilli: begins so many days before the planted day, after two weeks of heavy rain.
SHORTAGE = "cabai-rawit-merah"
SHORTAGE_REGIONS = ("35", "51", "52")
SHORTAGE_DAYS = 6
SHORTAGE_A_DAY = 0.07  # of log price
SHORTAGE_EASES = 0.93  # share that remains on each day after it
WET_REGION = "35"
WET_DAYS = (20, 6)  # days before the planted day, from and to
WET_MM = 65.0


@dataclass(frozen=True)
class Country:
    """The country up to the last day.

    `deviation`: (commodities, markets, days) of log price from the level of the day; `rain_mm`:
    (markets, days), of the market's province.
    """

    places: tuple[Market, ...]
    listed: tuple[Commodity, ...]
    deviation: Floats
    rain_mm: Floats

    def price(self, commodity: int, place: int, day: date, deviation: float = 0.0) -> int:
        """Rupiah a unit; `deviation` is added to that of the walk."""
        number = min((day - FIRST).days, self.deviation.shape[-1] - 1)
        return price_on(
            self.listed[commodity], day, float(self.deviation[commodity, place, number]) + deviation
        )

    def change(self, commodity: str, day: date) -> float:
        """Change of log price in the week before a day, mean of all markets."""
        number = [entry.id for entry in self.listed].index(commodity)
        until = (day - FIRST).days
        moved = self.deviation[number, :, until] - self.deviation[number, :, until - 7]
        return float(moved.mean())


def walk(last: date, planted_on: date, seed: int = 1, count: int = MARKETS) -> Country:
    """The walk of `count` markets from FIRST to `last`, with a shortage at its height on `planted_on`.

    The same seed and planted day give the same values, whatever the last day is.
    """
    places = tuple(market for market in markets().values() if market.level == "market")[:count]
    listed = tuple(commodity for commodity in commodities().values() if not commodity.is_group)
    days = (last - FIRST).days + 1
    since = (planted_on - FIRST).days
    rain = np.stack([_rain(place.region_code, days, since, seed) for place in places])
    wet = _after_rain(rain)
    shortage = _shortage(np.arange(days) - since)
    deviation = np.empty((len(listed), len(places), days))
    for number, commodity in enumerate(listed):
        moves = _persistent(_draws(days, seed, "nation", commodity.id), MOMENTUM)
        national = NATIONAL * math.sqrt(1 - MOMENTUM**2) * _persistent(moves, NATIONAL_PERSISTENCE)
        for at, place in enumerate(places):
            names = (place.market_id, commodity.id)
            own = OWN * _persistent(_draws(days, seed, "own", *names), OWN_PERSISTENCE)
            own += SURVEY * _draws(days, seed, "survey", *names)
            lag = 0 if at < HUBS else 1 + at % 4
            own[lag:] += national[: days - lag]
            spread = PROVINCE_SPREAD * float(_draws(1, seed, "spread", place.region_code)[0])
            deviation[number, at] = commodity.daily_volatility * own + spread
            if commodity.producers:  # grown in the country: garlic is imported
                deviation[number, at] += RAIN_EFFECT.get(commodity.group, 0.0) * wet[at]
            if commodity.id == SHORTAGE and place.region_code in SHORTAGE_REGIONS:
                deviation[number, at] += shortage
    return Country(places, listed, deviation, rain)


def _draws(days: int, seed: int, *names: str) -> Floats:
    """(days,) standard normal numbers of a series; the first ones do not depend on the number of days."""
    return np.random.default_rng([seed, *"|".join(names).encode()]).standard_normal(days)


def _persistent(moves: Floats, share: float) -> Floats:
    """(days,) sums of the moves so far, of which `share` remains on the next day."""
    level: Floats = np.asarray(lfilter([1.0], [1.0, -share], moves)).astype(np.float64)
    return level


def _rain(code: str, days: int, planted: int, seed: int) -> Floats:
    """(days,) mm a day in a province: wet from November to March, in spells; heavy before the shortage."""
    dates = [FIRST + timedelta(days=number) for number in range(days)]
    season = np.cos(2 * math.pi * (np.array([day.timetuple().tm_yday for day in dates]) - 20) / 365.25)
    spells = _persistent(_draws(days, seed, "rain", code), RAIN_PERSISTENCE)
    rain = np.maximum(0.0, 4 + 9 * season + 11 * math.sqrt(1 - RAIN_PERSISTENCE**2) * spells)
    if code == WET_REGION:
        rain[max(0, planted - WET_DAYS[0]) : max(0, planted - WET_DAYS[1])] += WET_MM
    rounded: Floats = np.round(rain, 1).astype(np.float64)
    return rounded


def _after_rain(rain: Floats) -> Floats:
    """(places, days) from −1 to 1: how much more than 8 mm a day it rained in the weeks before the lag."""
    window = np.ones(RAIN_WINDOW_DAYS) / RAIN_WINDOW_DAYS
    days = rain.shape[1]
    means = np.stack([np.convolve(row, window)[:days] for row in rain])
    late = np.zeros_like(means)
    late[:, RAIN_LAG_DAYS:] = np.tanh((means[:, : days - RAIN_LAG_DAYS] - 8) / 12)
    return late


def _shortage(since: npt.NDArray[np.int64]) -> Floats:
    """(days,) log share that the shortage adds; `since`: days after the planted day."""
    rising = SHORTAGE_A_DAY * np.clip(since + SHORTAGE_DAYS, 0, SHORTAGE_DAYS)
    return np.where(since > 0, rising * SHORTAGE_EASES ** np.maximum(since, 0), rising)


def local_time(day: date, code: str, hour: int, minute: int = 0) -> str:
    """RFC 3339 time of a clock in a province."""
    return datetime.combine(day, time(hour, minute), ZoneInfo(provinces()[code].timezone)).isoformat()


def holiday_share(group: str, day: date) -> float:
    """Share added to the price: rises in the two weeks before Idul Fitri, falls in the week after it."""
    peak = HOLIDAY_PEAK.get(group, 0.0)
    feast = next(iter(feast_days_of(day.year, EID)), None)
    if not peak or feast is None:
        return 0.0
    days_ahead = (feast - day).days
    if 0 <= days_ahead <= HOLIDAY_RAMP_DAYS:
        return peak * (1 - days_ahead / HOLIDAY_RAMP_DAYS)
    return peak * max(0.0, 1 + days_ahead / 7) if days_ahead < 0 else 0.0


def season_share(commodity: Commodity, day: date) -> float:
    """Share that the season adds to the price; each commodity has its own phase."""
    phase = random.Random(commodity.id).random()  # noqa: S311
    return SEASON.get(commodity.group, 0.01) * math.sin(
        2 * math.pi * (day.timetuple().tm_yday / 365.25 + phase)
    )


def price_on(commodity: Commodity, day: date, deviation: float) -> int:
    """Rupiah a unit on a day. `deviation`: from the level of the day, in log units."""
    share = 1 + season_share(commodity, day) + holiday_share(commodity.group, day)
    price = commodity.typical_idr * share * math.exp(deviation)
    return max(ROUNDED_TO_IDR, round(price / ROUNDED_TO_IDR) * ROUNDED_TO_IDR)
