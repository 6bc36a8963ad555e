"""Features of a series' place among the provinces of its commodity, and of the moves of those provinces."""

from functools import partial

import numpy as np
import pandas as pd

from ml.data.panel import Floats
from ml.features import rolling
from ml.features.inputs import CHOSEN, CUT, Definitions, FeatureInputs, define_features

NATIONAL_DAYS = (1, 3, 7, 14, 28, 90)
# Prefix of a feature -> (field of RelatedSeries, its meaning).
RELATED = {
    "lead": ("leaders", "5 provinces whose weekly moves foretold best"),
    "near": ("neighbours", "other provinces of the island, or those most alike"),
    "cheap": ("cheapest", "5 cheapest provinces, where it is mostly grown"),
}


def national_move(inputs: FeatureInputs, days: int) -> Floats:
    """n(days) / v."""
    return inputs.n(days) / inputs.v


def related_move(inputs: FeatureInputs, field: str, days: int) -> Floats:
    """Mean r(days) of the related series / v."""
    return inputs.mean_over(getattr(inputs.related, field), inputs.r(days)) / inputs.v


def unusual_gap(inputs: FeatureInputs, field: str) -> Floats:
    """(gap of y to the mean of the related series − its median of 90 days) / v."""
    gap = inputs.y - inputs.mean_over(getattr(inputs.related, field), inputs.y)
    return (gap - rolling.median(gap, 90)) / inputs.v


def pull(inputs: FeatureInputs) -> Floats:
    """Share of an unusual gap that is still there a week later.

    Regression of g − its usual value on itself 7 days before, over 180 days.
    """
    away = inputs.g - inputs.g_usual
    past = rolling.lagged(away, 7)
    return rolling.mean(away * past, 180, 60) / (rolling.mean(past**2, 180, 60) + 1e-12)


def rank(inputs: FeatureInputs) -> Floats:
    """Rank of the price among the provinces of its commodity, 0 lowest to 1 highest."""

    def within(part: Floats) -> Floats:
        place: Floats = pd.DataFrame(part).rank(method="average").to_numpy() - 1
        return np.asarray(place / np.maximum(np.isfinite(part).sum(axis=0) - 1, 1))

    return inputs.per_commodity(inputs.y, within)


def breadth(inputs: FeatureInputs, sign: int) -> Floats:
    """Share of the provinces whose price moved by more than 1 % in 7 days, up (sign 1) or down (-1)."""
    week = inputs.r(7)
    beyond = np.where(np.isfinite(week), (sign * week > 0.01).astype(float), np.nan)
    return inputs.per_commodity(beyond, lambda part: np.nanmean(part, axis=0))


def spread(inputs: FeatureInputs) -> Floats:
    """Standard deviation of y over the provinces, relative to its own mean of 90 days."""
    deviation = inputs.cached(
        "spread", lambda: inputs.per_commodity(inputs.y, lambda part: np.nanstd(part, axis=0))
    )
    return deviation / (rolling.mean(deviation, 90) + 1e-6)


def same_share(inputs: FeatureInputs) -> Floats:
    """Correlation of own and national weekly moves over 180 days, without subtracting means."""
    own = inputs.r(7)
    others = inputs.n(7)
    joint = rolling.mean(own * others, 180, 60)
    return joint / np.sqrt(rolling.mean(own**2, 180, 60) * rolling.mean(others**2, 180, 60) + 1e-16)


def last_year(inputs: FeatureInputs, days: int) -> Floats:
    """Mean national change / v over the `days` days that followed the same weekday 52 weeks before."""
    nation = inputs.per_commodity(np.clip(inputs.r(days), -0.5, 0.5), lambda part: np.nanmean(part, axis=0))
    return rolling.lagged(nation, 364 - days) / inputs.v


OF_PROVINCES: Definitions = {
    **{
        f"n{days}": (
            f"mean {days}-day log change of the other provinces / v",
            partial(national_move, days=days),
        )
        for days in NATIONAL_DAYS
    },
    "n7_lag7": ("n7 as it was 7 days before / v", lambda b: rolling.lagged(b.n(7), 7) / b.v),
    "own1": ("(r1 − n1) / v: the move of a day that others did not make", lambda b: (b.r(1) - b.n(1)) / b.v),
    "own3": ("(r3 − n3) / v", lambda b: (b.r(3) - b.n(3)) / b.v),
    "own7": ("(r7 − n7) / v", lambda b: (b.r(7) - b.n(7)) / b.v),
    "own28": ("(r28 − n28) / v", lambda b: (b.r(28) - b.n(28)) / b.v),
    "gap": ("g: log price − national median of log prices", lambda b: b.g),
    "gap_unusual": ("(g − median of g over 90 days) / v", lambda b: (b.g - b.g_usual) / b.v),
    "gap_gap7": ("(g − mean of g over 7 days) / v", lambda b: (b.g - rolling.mean(b.g, 7)) / b.v),
    "gap_gap28": ("(g − mean of g over 28 days) / v", lambda b: (b.g - rolling.mean(b.g, 28)) / b.v),
    "gap_rank": ("rank among the provinces, 0 lowest to 1 highest", rank),
    "gap_pull": ("part of an unusual gap still there after 7 days, over 180 days", pull),
    "level_gap14": (
        "(national level − its mean of 14 days) / v",
        lambda b: (b.level - rolling.mean(b.level, 14)) / b.v,
    ),
    "level_gap90": (
        "(national level − its mean of 90 days) / v",
        lambda b: (b.level - rolling.mean(b.level, 90)) / b.v,
    ),
    "breadth_up7": ("share of provinces with r7 > 1 %", lambda b: breadth(b, 1)),
    "breadth_down7": ("share of provinces with r7 < −1 %", lambda b: breadth(b, -1)),
    "spread": ("sd of y over provinces / its mean of 90 days", spread),
    "same_share": ("correlation of own and national weekly moves over 180 days", same_share),
    **{
        f"last_year{days}": (
            f"national change in the {days} days after the same weekday 52 weeks before / v",
            partial(last_year, days=days),
        )
        for days in (7, 28)
    },
}

RELATED_MOVES: Definitions = {
    **{
        f"{prefix}{days}": (
            f"mean {days}-day log change of the {meaning} / v",
            partial(related_move, field=field, days=days),
        )
        for prefix, (field, meaning) in RELATED.items()
        for days in (1, 3, 7)
    },
    **{
        f"{prefix}_gap": (
            f"(gap to the {field} − its median of 90 days) / v",
            partial(unusual_gap, field=field),
        )
        for prefix, field in (("near", "neighbours"), ("cheap", "cheapest"), ("lead", "leaders"))
    },
}

FEATURES = define_features("provinces", CUT, OF_PROVINCES) + define_features(
    "lead-lag", CHOSEN, RELATED_MOVES
)
