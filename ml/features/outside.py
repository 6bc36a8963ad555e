"""Features of what stands beside the prices: world prices, exchange rate, inflation, weather. NaN where a panel lacks them."""

import numpy as np

from ml import calendar_days
from ml.features import rolling
from ml.features.base import Base
from ml.features.feature import RELEASE, Told, named
from ml.panel import Floats

WORLD = {
    "dollar": ("fx-usd-idr", "rupiah per US dollar"),
    "palm_oil": ("futures-palm-oil", "palm oil"),
    "wheat": ("futures-wheat-us", "US wheat"),
    "sugar": ("futures-sugar-11", "sugar No. 11"),
    "crude": ("futures-crude-oil-wti", "crude oil"),
}


def change(base: Base, name: str, days: int) -> Floats:
    """Log change of something over so many days."""
    value = np.log(base.outside(name))
    return value - rolling.lagged(value, days)


def unusual(base: Base, name: str, window: int) -> Floats:
    """Mean of the window less the mean of the days of past years within 15 days of the same day of the year, in its own sd."""
    value = rolling.mean(base.outside(name), window)
    if not np.isfinite(value).any():
        return value
    day = calendar_days.day_of_year(base.panel.days).astype(int)
    found = np.full(value.shape, np.nan)
    for at in range(len(day)):
        apart = np.abs(day[: max(at - 180, 0)] - day[at])
        near = np.flatnonzero(np.minimum(apart, 365 - apart) <= 15)
        if len(near) >= 20:
            past = value[:, near]
            found[:, at] = (value[:, at] - np.nanmean(past, axis=1)) / (np.nanstd(past, axis=1) + 1e-6)
    return found


MACRO: Told = {
    **{
        f"{short}28": (f"28-day log change of {says}", lambda b, name=name: change(b, name, 28))
        for short, (name, says) in WORLD.items()
    },
    "dollar7": ("7-day log change of rupiah per US dollar", lambda b: change(b, "fx-usd-idr", 7)),
    "palm_oil7": ("7-day log change of palm oil", lambda b: change(b, "futures-palm-oil", 7)),
    "inflation": ("inflation over a year, percent, as released", lambda b: b.outside("inflation")),
}
WEATHER: Told = {
    "rain7": ("mean rain of 7 days, mm a day", lambda b: rolling.mean(b.outside("rainfall_mm"), 7)),
    "rain30_z": ("rain of 30 days against the same season of past years", lambda b: unusual(b, "rainfall_mm", 30)),
    "rain30_z_lag30": ("the same 30 days before", lambda b: rolling.lagged(unusual(b, "rainfall_mm", 30), 30)),
    "temperature7_z": ("temperature of 7 days against the same season of past years", lambda b: unusual(b, "temperature_c", 7)),
    "humidity7_z": ("humidity of 7 days against the same season of past years", lambda b: unusual(b, "humidity_pct", 7)),
}

FEATURES = named("world", RELEASE, MACRO) + named("weather", RELEASE, WEATHER)
