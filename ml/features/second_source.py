"""Features of a second source: another provider's price of the same commodity and province.

NaN where a panel has no second source. Two surveyors of one market err apart: what one reports and the other
does not yet is news, and a gap wider than usual closes.
"""

import numpy as np

from ml.data.panel import SECOND_PRICE, Floats
from ml.features import rolling
from ml.features.inputs import CUT, Definitions, FeatureInputs, define_features

CURRENT_DAYS = 14  # an older price of the second source says nothing about today


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
}

FEATURES = define_features("second source", CUT, SECOND)
