"""Features of a series by itself. Moves and gaps are measured in its own usual daily move v, so that all goods compare."""

import numpy as np

from ml.features import rolling
from ml.features.base import Base
from ml.features.feature import CUT, Told, named
from ml.panel import Floats

MOVES = (1, 2, 3, 5, 7, 14, 28, 90)
MEANS = (3, 7, 14, 28, 90)


def rsi(base: Base) -> Floats:
    """Relative strength, 14 days, Wilder's smoothing from the first day on; 50 where nothing ever moved."""
    gain, loss = (rolling.smoothed(np.maximum(sign * base.r1, 0.0), 1 / 14) for sign in (1, -1))
    return 100 * (gain + 1e-12) / (gain + loss + 2e-12)


def macd(base: Base) -> Floats:
    """MACD 12/26/9 histogram of y, in v."""
    line = rolling.smoothed(base.y, 2 / 13) - rolling.smoothed(base.y, 2 / 27)
    return (line - rolling.smoothed(line, 2 / 10)) / base.v


def place_in_band(base: Base, window: int) -> Floats:
    """(y − mean) / (sd + v/10): how many deviations from the mean of the window."""
    return (base.y - rolling.mean(base.y, window)) / (deviation(base, window) + base.v / 10)


def deviation(base: Base, window: int) -> Floats:
    """Standard deviation of y, taken around its first value of all so that nothing is lost in rounding."""
    first = base.y[np.arange(len(base.y)), np.isfinite(base.y).argmax(axis=1)][:, None]
    return rolling.deviation(base.y - first, window)


def noise(base: Base) -> Floats:
    """Autocorrelation of r1 over 90 days: near −.5 where a day's report is mostly noise that the next one takes back."""
    return rolling.mean(base.r1 * rolling.lagged(base.r1, 1), 90) / (rolling.mean(base.r1**2, 90) + 1e-12)


def moved(base: Base) -> np.ndarray:
    return base.seen & (np.abs(base.r1) > 0)


def _count(happened: np.ndarray, window: int = 28) -> Floats:
    return rolling.total(happened.astype(float), window)


OWN: Told = {
    **{f"r{k}": (f"change of log price over {k} days / v", lambda b, k=k: b.r(k) / b.v) for k in MOVES},
    **{f"gap_ma{k}": (f"(y − mean of y over {k} days) / v", lambda b, k=k: (b.y - rolling.mean(b.y, k)) / b.v) for k in MEANS},
    "gap_ema30": ("(y − exponential mean with share .3) / v", lambda b: (b.y - rolling.smoothed(b.y, 0.3)) / b.v),
    "gap_ema60": ("(y − exponential mean with share .6) / v", lambda b: (b.y - rolling.smoothed(b.y, 0.6)) / b.v),
    "gap_median7": ("(y − median of y over 7 days) / v", lambda b: (b.y - rolling.median(b.y, 7)) / b.v),
    "r7_lag7": ("change over the 7 days before the last 7 / v", lambda b: rolling.lagged(b.r(7), 7) / b.v),
    "acceleration": ("(r7 − r7 seven days before) / v", lambda b: (b.r(7) - rolling.lagged(b.r(7), 7)) / b.v),
    "sd14": ("standard deviation of r1 over 14 days / v", lambda b: rolling.deviation(b.r1, 14) / b.v),
    "sd28": ("standard deviation of r1 over 28 days / v", lambda b: rolling.deviation(b.r1, 28) / b.v),
    "v180": ("v: mean absolute r1 over the reported days of 180, + 1e-4", lambda b: b.v),
    "largest28": ("largest absolute r1 in 28 days / v", lambda b: rolling.highest(np.abs(b.r1), 28) / b.v),
    "rsi14": ("relative strength 14 (Wilder) of daily prices", rsi),
    "macd": ("MACD 12/26/9 histogram of y / v", macd),
    "band20": ("(y − mean20) / (sd20 + v/10): Bollinger's place in the band", lambda b: place_in_band(b, 20)),
    "z60": ("(y − mean60) / (sd60 + v/10)", lambda b: place_in_band(b, 60)),
    "momentum": ("(mean of y over 28 days − over 90) / v", lambda b: (rolling.mean(b.y, 28) - rolling.mean(b.y, 90)) / b.v),
    "noise90": ("autocorrelation of r1 over 90 days", noise),
    "days_since_change": ("days since the price last changed, at most 365", lambda b: rolling.days_since(moved(b))),
    "unchanged28": ("share of unchanged prices among those reported in 28 days",
                    lambda b: 1 - _count(moved(b)) / np.maximum(_count(b.seen), 1)),
    "days_since_report": ("days since the last report, at most 365", lambda b: rolling.days_since(b.seen)),
    "reports28": ("share of the last 28 days with a report", lambda b: _count(b.seen) / 28),
}  # fmt: skip

FEATURES = named("own", CUT, OWN)
