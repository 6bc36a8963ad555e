"""Trailing statistics along the days of (series, days) matrices; NaN values are left out.

None uses a later day.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.panel import Floats


def lagged(values: Floats, days: int) -> Floats:
    """The value so many days before; NaN in the first columns."""
    moved = np.full_like(values, np.nan)
    if days < values.shape[-1]:
        moved[..., days:] = values[..., : values.shape[-1] - days]
    return moved


def total(values: Floats, window: int) -> Floats:
    """Sum of the last `window` days, NaN counted as 0; of fewer days at the start."""
    running = np.cumsum(np.nan_to_num(values), axis=-1)
    before = np.zeros_like(running)
    before[..., window:] = running[..., :-window]
    return running - before


def mean(values: Floats, window: int, least: int | None = None) -> Floats:
    """Mean of the last `window` days; NaN with fewer than `least` values (default: half of the days)."""
    count = total(np.isfinite(values).astype(np.float64), window)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= (least or max(window // 2, 1)), total(values, window) / count, np.nan)


def deviation(values: Floats, window: int) -> Floats:
    """Standard deviation (ddof 0) of the last `window` days; NaN with fewer values than half of the days."""
    centre = mean(values, window)
    return np.sqrt(np.maximum(mean(values**2, window) - centre**2, 0.0))


def highest(values: Floats, window: int) -> Floats:
    """Largest value of the last `window` days."""
    return np.asarray(_frame(values).rolling(window, min_periods=1).max().to_numpy().T)


def median(values: Floats, window: int) -> Floats:
    """Median of the last `window` days; NaN with fewer values than a third of the days."""
    return np.asarray(_frame(values).rolling(window, min_periods=max(window // 3, 1)).median().to_numpy().T)


def smoothed(values: Floats, share: float) -> Floats:
    """Exponential mean: `share` of the new value, the rest of the old mean; starts at the first value."""
    return np.asarray(_frame(values).ewm(alpha=share, adjust=False, ignore_na=True).mean().to_numpy().T)


def days_since(happened: npt.NDArray[np.bool_]) -> Floats:
    """Days since the last day on which it happened, at most 365; 365 before the first."""
    day = np.arange(happened.shape[1], dtype=np.float64)
    last = np.maximum.accumulate(np.where(happened, day, -np.inf), axis=1)
    return np.minimum(day - last, 365)


def _frame(values: Floats) -> pd.DataFrame:
    """A column per series, as pandas rolls over rows."""
    return pd.DataFrame(values.T)
