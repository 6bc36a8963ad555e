"""Statistics down the columns of a window (days x series) in which NaN means "no observation"."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def count(window: Floats) -> Ints:
    """Observations a column."""
    return np.asarray(np.isfinite(window).sum(axis=0), dtype=np.int64)


def ordered(window: Floats) -> Floats:
    """Each column ascending, missing values last."""
    return np.sort(window, axis=0)


def quantile(ascending: Floats, counts: Ints, share: float) -> Floats:
    """Type 7 (linear interpolation) quantile of columns that `ordered` made; NaN where a column is empty."""
    if not len(ascending):
        return np.full(ascending.shape[1], np.nan)
    place = np.maximum(counts - 1, 0) * share
    below = np.floor(place).astype(np.int64)
    above = np.ceil(place).astype(np.int64)
    columns = np.arange(ascending.shape[1])
    low, high = ascending[below, columns], ascending[above, columns]
    return low + (high - low) * (place - below)


def median(window: Floats) -> Floats:
    """Median of each column; NaN where it is empty."""
    return quantile(ordered(window), count(window), 0.5)


def mean(window: Floats) -> Floats:
    """Arithmetic mean of each column; NaN where it is empty."""
    counts = count(window)
    total = np.where(np.isfinite(window), window, 0.0).sum(axis=0)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def deviation(window: Floats, centre: Floats) -> Floats:
    """Standard deviation (ddof 1) of each column around its mean; NaN below two observations."""
    counts = count(window)
    squares = np.where(np.isfinite(window), (window - centre) ** 2, 0.0).sum(axis=0)
    return np.where(counts > 1, np.sqrt(squares / np.maximum(counts - 1, 1)), np.nan)


def median_of(values: Floats, at_least: int) -> float:
    """Median of the finite values; NaN when there are fewer than `at_least`."""
    finite = np.sort(values[np.isfinite(values)])
    size = len(finite)
    return (
        float((finite[(size - 1) // 2] + finite[size // 2]) / 2) if size >= max(at_least, 1) else float("nan")
    )
