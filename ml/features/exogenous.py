"""Features of exogenous series: world prices, exchange rate, inflation, weather, a second source of prices.

NaN where a panel lacks them. The second source is another provider's price of the same commodity and
province. Two surveyors of one market err apart: what one reports and the other does not yet is news, and a
gap wider than usual closes.
"""

from functools import partial

import numpy as np

from ml.data import holidays
from ml.data.panel import SECOND_PRICE, Floats
from ml.features import rolling
from ml.features.inputs import CUT, RELEASE, Definitions, FeatureInputs, define_features

CURRENT_DAYS = 14  # an older price of the second source says nothing about today
WORLD = {
    "dollar": ("fx-usd-idr", "rupiah per US dollar"),
    "palm_oil": ("futures-palm-oil", "palm oil"),
    "wheat": ("futures-wheat-us", "US wheat"),
    "sugar": ("futures-sugar-11", "sugar No. 11"),
    "crude": ("futures-crude-oil-wti", "crude oil"),
}


def change(inputs: FeatureInputs, name: str, days: int) -> Floats:
    """Log change of an exogenous series over so many days."""
    value = np.log(inputs.exogenous(name))
    return value - rolling.lagged(value, days)


def seasonal_score(inputs: FeatureInputs, name: str, window: int) -> Floats:
    """Mean of the window as a z-score against the same season of past years.

    Compared with its values at least 180 days before, within 15 days of the same day of the year; NaN with
    fewer than 20 of them.
    """
    value = rolling.mean(inputs.exogenous(name), window)
    if not np.isfinite(value).any():
        return value
    day = holidays.day_of_year(inputs.panel.days).astype(int)
    score = np.full(value.shape, np.nan)
    for column in range(len(day)):
        distance = np.abs(day[: max(column - 180, 0)] - day[column])
        same_season = np.flatnonzero(np.minimum(distance, 365 - distance) <= 15)
        if len(same_season) >= 20:
            past = value[:, same_season]
            difference = value[:, column] - np.nanmean(past, axis=1)
            score[:, column] = difference / (np.nanstd(past, axis=1) + 1e-6)
    return score


def second(inputs: FeatureInputs) -> Floats:
    """z: natural logarithm of the last price that the second source reported in CURRENT_DAYS."""

    def compute() -> Floats:
        reported = [series.value for series in inputs.panel.exogenous if series.name == SECOND_PRICE]
        if not reported:
            return np.full(inputs.y.shape, np.nan)
        age = rolling.days_since(np.isfinite(reported[0]))
        return np.where(age < CURRENT_DAYS, np.log(inputs.exogenous(SECOND_PRICE)), np.nan)

    return inputs.cached("second", compute)


def move(inputs: FeatureInputs, days: int) -> Floats:
    """Change of z over so many days."""
    return inputs.cached(f"second{days}", lambda: second(inputs) - rolling.lagged(second(inputs), days))


def unusual_gap(inputs: FeatureInputs) -> Floats:
    """z − y − its median of 90 days: providers differ by a share that lasts."""

    def compute() -> Floats:
        gap = second(inputs) - inputs.y
        return gap - rolling.median(gap, 90)

    return inputs.cached("second_gap", compute)


def gap_to_mean(inputs: FeatureInputs, days: int) -> Floats:
    """z − y − its mean over so many days."""
    gap = second(inputs) - inputs.y
    return gap - rolling.mean(gap, days)


def related_gap(inputs: FeatureInputs, field: str) -> Floats:
    """Mean unusual gap of the series that a field of `inputs.related` names / v."""
    return inputs.mean_over(getattr(inputs.related, field), unusual_gap(inputs)) / inputs.v


MACRO: Definitions = {
    **{
        f"{short}28": (f"28-day log change of {meaning}", partial(change, name=indicator, days=28))
        for short, (indicator, meaning) in WORLD.items()
    },
    "dollar7": ("7-day log change of rupiah per US dollar", lambda b: change(b, "fx-usd-idr", 7)),
    "palm_oil7": ("7-day log change of palm oil", lambda b: change(b, "futures-palm-oil", 7)),
    "inflation": ("inflation over a year, percent, as released", lambda b: b.exogenous("inflation")),
}
WEATHER: Definitions = {
    "rain7": ("mean rain of 7 days, mm a day", lambda b: rolling.mean(b.exogenous("rainfall_mm"), 7)),
    "rain30_z": (
        "rain of 30 days against the same season of past years",
        lambda b: seasonal_score(b, "rainfall_mm", 30),
    ),
    "rain30_z_lag30": (
        "the same 30 days before",
        lambda b: rolling.lagged(seasonal_score(b, "rainfall_mm", 30), 30),
    ),
    "temperature7_z": (
        "temperature of 7 days against the same season of past years",
        lambda b: seasonal_score(b, "temperature_c", 7),
    ),
    "humidity7_z": (
        "humidity of 7 days against the same season of past years",
        lambda b: seasonal_score(b, "humidity_pct", 7),
    ),
}
SECOND: Definitions = {
    "second_gap": (
        "(log price of the second source − y − its median of 90 days) / v",
        lambda b: unusual_gap(b) / b.v,
    ),
    "second_gap7": ("(the same gap − its mean of 7 days) / v", lambda b: gap_to_mean(b, 7) / b.v),
    "second_gap28": ("(the same gap − its mean of 28 days) / v", lambda b: gap_to_mean(b, 28) / b.v),
    "second1": ("1-day log change of the second source / v", lambda b: move(b, 1) / b.v),
    "second3": ("3-day log change of the second source / v", lambda b: move(b, 3) / b.v),
    "second7": ("7-day log change of the second source / v", lambda b: move(b, 7) / b.v),
    "second_n_gap": (
        "mean of that gap over the other provinces / v",
        lambda b: b.mean_of_others(unusual_gap(b)) / b.v,
    ),
    "second_n7": (
        "mean 7-day log change of the second source in the other provinces / v",
        lambda b: b.mean_of_others(move(b, 7)) / b.v,
    ),
    **{
        f"second_{short}_gap": (f"mean of that gap over the {field} / v", partial(related_gap, field=field))
        for short, field in (("lead", "leaders"), ("near", "neighbours"), ("sibling", "siblings"))
    },
}
READ: dict[str, tuple[str, ...]] = {  # group of features -> exogenous series that they read
    "world": (*(indicator for indicator, _ in WORLD.values()), "inflation"),
    "weather": ("rainfall_mm", "temperature_c", "humidity_pct"),
    "second source": (SECOND_PRICE,),
}

SECOND_FEATURES = define_features("second source", CUT, SECOND)
FEATURES = define_features("world", RELEASE, MACRO) + define_features("weather", RELEASE, WEATHER)
