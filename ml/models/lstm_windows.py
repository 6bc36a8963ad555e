"""Windows of a panel as a network sees them.

The path to each origin and the changes after it, in usual daily changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.data.panel import Floats, Panel
from ml.models.national import national_panel

Numbers = npt.NDArray[np.int64]

CHANNELS = 5
SCALE_DAYS = 180
CLIP = 30.0  # usual daily changes; an error of unit must not outweigh all else


@dataclass(frozen=True)
class Windows:
    """Samples of all series together, in no order."""

    path: npt.NDArray[np.float32]  # (samples, days, channels)
    # (samples, knots) log change to origin + knot, over scale × √knot; NaN: not observed
    change: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]  # (samples,) the scale: the weighted error then is an error of log price
    series: Numbers  # (samples,) row numbers


def scales(panel: Panel) -> Floats:
    """(series, days) `ml.models.forecaster.scale` of the panel that ends at each day."""
    change = np.abs(np.diff(np.log(panel.filled), axis=1, prepend=np.nan))
    counted = np.isfinite(change) & np.isfinite(panel.price)
    total = np.cumsum(np.where(counted, change, 0.0), axis=1)
    count = np.cumsum(counted, axis=1, dtype=np.int64)
    total_before = total[:, :-SCALE_DAYS].copy()
    count_before = count[:, :-SCALE_DAYS].copy()
    total[:, SCALE_DAYS:] -= total_before
    count[:, SCALE_DAYS:] -= count_before
    scale: Floats = np.maximum(total, 0.0) / np.maximum(count, 1) + 1e-4
    return scale


def _national_log_price(panel: Panel) -> Floats:
    """(series, days) log of the national price of each series' commodity.

    Its own price while there is none.
    """
    nation = national_panel(panel)
    row_of = {commodity: row for row, commodity in enumerate(nation.commodities)}
    log_price: Floats = np.log(nation.filled)[[row_of[commodity] for commodity in panel.commodities]]
    return np.where(np.isfinite(log_price), log_price, np.log(panel.filled))


def window_ends(panel: Panel, length: int) -> tuple[Numbers, Numbers]:
    """(series, origin) of every window of `length` days on whose first day the series had begun."""
    reported = np.isfinite(panel.price)
    begun = np.cumsum(reported, axis=1)[:, : max(reported.shape[1] - length + 1, 0)] > 0
    series, first = np.nonzero(begun)
    return series, first + length - 1


def build_windows(
    panel: Panel, length: int, knots: Sequence[int], series: Numbers, origin: Numbers
) -> Windows:
    """The windows of `length` days of series[i] that end at origin[i].

    A target past the panel's end is NaN.
    """
    log = np.log(panel.filled)
    unit = scales(panel)[series, origin][:, None]
    at_origin = log[series, origin][:, None]
    last = log.shape[1] - 1
    days = origin[:, None] + np.arange(1 - length, 1)[None, :]
    path = (log[series[:, None], days] - at_origin) / unit
    nation = _national_log_price(panel)[series[:, None], days]
    gap = (log[series[:, None], days] - nation) / unit
    channels = [
        path,
        np.diff(path, axis=1, prepend=path[:, :1]),
        np.isfinite(panel.price[series[:, None], days]).astype(float),
        (nation - nation[:, -1:]) / unit,
        gap - gap.mean(axis=1, keepdims=True),  # expensive or cheap against its own usual gap
    ]
    later = origin[:, None] + np.asarray(knots)[None, :]
    target = np.where(later <= last, panel.log_price[series[:, None], np.minimum(later, last)], np.nan)
    change = (target - at_origin) / (unit * np.sqrt(np.asarray(knots)))
    return Windows(
        np.clip(np.stack(channels, axis=2), -CLIP, CLIP).astype(np.float32),
        np.clip(change, -CLIP, CLIP).astype(np.float32),
        unit[:, 0].astype(np.float32),
        series,
    )
