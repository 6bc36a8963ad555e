"""Features of a series by itself, in units of its usual daily move v, so that all commodities compare."""

from functools import partial

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats
from ml.features import rolling
from ml.features.inputs import CUT, Definitions, FeatureInputs, define_features

CHANGE_DAYS = (1, 2, 3, 5, 7, 14, 28, 90)
MEAN_DAYS = (3, 7, 14, 28, 90)


def scaled_change(inputs: FeatureInputs, days: int) -> Floats:
    """r(days) / v."""
    return inputs.r(days) / inputs.v


def gap_to_mean(inputs: FeatureInputs, days: int) -> Floats:
    """(y − mean of y over so many days) / v."""
    return (inputs.y - rolling.mean(inputs.y, days)) / inputs.v


def rsi(inputs: FeatureInputs) -> Floats:
    """Relative strength index of 14 days with Wilder's smoothing from the first day on.

    50 where nothing ever moved.

    Wilder (1978), New Concepts in Technical Trading Systems.
    """
    gain, loss = (rolling.smoothed(np.maximum(sign * inputs.r1, 0.0), 1 / 14) for sign in (1, -1))
    return 100 * (gain + 1e-12) / (gain + loss + 2e-12)


def macd(inputs: FeatureInputs) -> Floats:
    """Histogram of the moving average convergence divergence 12/26/9 of y, in v."""
    line = rolling.smoothed(inputs.y, 2 / 13) - rolling.smoothed(inputs.y, 2 / 27)
    return (line - rolling.smoothed(line, 2 / 10)) / inputs.v


def place_in_band(inputs: FeatureInputs, window: int) -> Floats:
    """(y − mean) / (sd + v/10): how many deviations from the mean of the window (Bollinger bands)."""
    return (inputs.y - rolling.mean(inputs.y, window)) / (deviation(inputs, window) + inputs.v / 10)


def deviation(inputs: FeatureInputs, window: int) -> Floats:
    """Standard deviation of y.

    Taken around the first value of the series, so that no precision is lost in squares.
    """
    first = inputs.y[np.arange(len(inputs.y)), np.isfinite(inputs.y).argmax(axis=1)][:, None]
    return rolling.deviation(inputs.y - first, window)


def noise(inputs: FeatureInputs) -> Floats:
    """Autocorrelation of r1 over 90 days.

    Near −.5 where a day's report is mostly noise that the next one reverses.
    """
    return rolling.mean(inputs.r1 * rolling.lagged(inputs.r1, 1), 90) / (
        rolling.mean(inputs.r1**2, 90) + 1e-12
    )


def moved(inputs: FeatureInputs) -> npt.NDArray[np.bool_]:
    """(series, days) whether a reported price differs from the one before."""
    return inputs.seen & (np.abs(inputs.r1) > 0)


def unchanged_share(inputs: FeatureInputs) -> Floats:
    """Share of unchanged prices among those reported in 28 days."""
    return 1 - _count(moved(inputs)) / np.maximum(_count(inputs.seen), 1)


def _count(happened: npt.NDArray[np.bool_], window: int = 28) -> Floats:
    return rolling.total(happened.astype(float), window)


OWN: Definitions = {
    **{
        f"r{days}": (f"change of log price over {days} days / v", partial(scaled_change, days=days))
        for days in CHANGE_DAYS
    },
    **{
        f"gap_ma{days}": (f"(y − mean of y over {days} days) / v", partial(gap_to_mean, days=days))
        for days in MEAN_DAYS
    },
    "gap_ema30": (
        "(y − exponential mean with share .3) / v",
        lambda b: (b.y - rolling.smoothed(b.y, 0.3)) / b.v,
    ),
    "gap_ema60": (
        "(y − exponential mean with share .6) / v",
        lambda b: (b.y - rolling.smoothed(b.y, 0.6)) / b.v,
    ),
    "gap_median7": ("(y − median of y over 7 days) / v", lambda b: (b.y - rolling.median(b.y, 7)) / b.v),
    "r7_lag7": ("change over the 7 days before the last 7 / v", lambda b: rolling.lagged(b.r(7), 7) / b.v),
    "acceleration": (
        "(r7 − r7 seven days before) / v",
        lambda b: (b.r(7) - rolling.lagged(b.r(7), 7)) / b.v,
    ),
    "sd14": ("standard deviation of r1 over 14 days / v", lambda b: rolling.deviation(b.r1, 14) / b.v),
    "sd28": ("standard deviation of r1 over 28 days / v", lambda b: rolling.deviation(b.r1, 28) / b.v),
    "v180": ("v: mean absolute r1 over the reported days of 180, + 1e-4", lambda b: b.v),
    "largest28": ("largest absolute r1 in 28 days / v", lambda b: rolling.highest(np.abs(b.r1), 28) / b.v),
    "rsi14": ("relative strength 14 (Wilder) of daily prices", rsi),
    "macd": ("MACD 12/26/9 histogram of y / v", macd),
    "band20": (
        "(y − mean20) / (sd20 + v/10): Bollinger's place in the band",
        partial(place_in_band, window=20),
    ),
    "z60": ("(y − mean60) / (sd60 + v/10)", partial(place_in_band, window=60)),
    "momentum": (
        "(mean of y over 28 days − over 90) / v",
        lambda b: (rolling.mean(b.y, 28) - rolling.mean(b.y, 90)) / b.v,
    ),
    "noise90": ("autocorrelation of r1 over 90 days", noise),
    "days_since_change": (
        "days since the price last changed, at most 365",
        lambda b: rolling.days_since(moved(b)),
    ),
    "unchanged28": ("share of unchanged prices among those reported in 28 days", unchanged_share),
    "days_since_report": ("days since the last report, at most 365", lambda b: rolling.days_since(b.seen)),
    "reports28": ("share of the last 28 days with a report", lambda b: _count(b.seen) / 28),
}

FEATURES = define_features("own", CUT, OWN)
