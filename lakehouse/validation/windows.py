"""Statistics down the columns of a window (days x series) in which NaN means "no observation".

Windows may also be stacked, (windows, days, series).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def count(window: Floats) -> Ints:
    """Observations a column."""
    return np.asarray(np.isfinite(window).sum(axis=-2), dtype=np.int64)


def ordered(window: Floats) -> Floats:
    """Each column ascending, missing values last."""
    return np.sort(window, axis=-2)


def quantile(ascending: Floats, counts: Ints, share: float | Floats) -> Floats:
    """Type 7 (linear interpolation) quantile of columns that `ordered` made; NaN where a column is empty.

    `share`: one, or an array with one more axis than `counts`, for several at once.
    """
    if not ascending.shape[-2]:
        return np.full(np.broadcast_shapes(counts.shape, np.shape(share)), np.nan)
    place = np.maximum(counts - 1, 0) * share
    below = np.floor(place).astype(np.int64)
    low, high = _at(ascending, below), _at(ascending, np.ceil(place).astype(np.int64))
    return low + (high - low) * (place - below)


def median(window: Floats) -> Floats:
    """Median of each column; NaN where it is empty."""
    return quantile(ordered(window), count(window), 0.5)


def mean(window: Floats) -> Floats:
    """Arithmetic mean of each column; NaN where it is empty."""
    is_known = np.isfinite(window)
    counts = is_known.sum(axis=-2)
    total = np.where(is_known, window, 0.0).sum(axis=-2)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def deviation(window: Floats, centre: Floats) -> Floats:
    """Standard deviation (ddof 1) of each column around its mean; NaN below two observations."""
    is_known = np.isfinite(window)
    counts = is_known.sum(axis=-2)
    squares = np.where(is_known, (window - centre[..., None, :]) ** 2, 0.0).sum(axis=-2)
    return np.where(counts > 1, np.sqrt(squares / np.maximum(counts - 1, 1)), np.nan)


def median_of(values: Floats, at_least: int) -> Floats:
    """Median of the finite values, of each row of two axes; NaN when there are fewer than `at_least`."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    ascending = np.sort(values, axis=-1)
    size = np.isfinite(values).sum(axis=-1)
    low, high = np.maximum(size - 1, 0) // 2, np.minimum(size // 2, values.shape[-1] - 1)
    if values.ndim == 1:
        middle = (ascending[low] + ascending[high]) / 2
    else:
        row = np.arange(len(values))
        middle = (ascending[row, low] + ascending[row, high]) / 2
    return np.where(size >= max(at_least, 1), middle, np.nan)


def _at(ascending: Floats, rows: Ints) -> Floats:
    """The value of each column in its row."""
    *windows, _, width = ascending.shape
    lead = [np.arange(size)[:, None] for size in windows]
    return np.asarray(ascending[(*lead, rows, np.arange(width))])
