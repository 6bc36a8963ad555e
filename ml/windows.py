"""Windows of a panel as a network sees them: the path to each origin and the changes after it, in units of usual daily change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.national import national
from ml.panel import Floats, Panel

Whole = npt.NDArray[np.int64]

CHANNELS = 5
SCALE_DAYS = 180
CLIP = 30.0  # usual daily changes; a unit error must not drown the rest


@dataclass(frozen=True)
class Windows:
    """Samples of all series together, in no order."""

    path: npt.NDArray[np.float32]  # (samples, days, channels)
    change: npt.NDArray[np.float32]  # (samples, knots) log change to origin + knot, over scale × √knot; NaN where not observed
    weight: npt.NDArray[np.float32]  # (samples,) the scale: absolute error of log price is then what is summed
    series: Whole  # (samples,)


def scales(panel: Panel) -> Floats:
    """(series, days) `ml.forecaster.scale` of the panel that ends at each day."""
    change = np.abs(np.diff(np.log(panel.filled), axis=1, prepend=np.nan))
    counted = np.isfinite(change) & np.isfinite(panel.price)
    total = np.cumsum(np.where(counted, change, 0.0), axis=1)
    count = np.cumsum(counted, axis=1)
    total[:, SCALE_DAYS:], count[:, SCALE_DAYS:] = (
        total[:, SCALE_DAYS:] - total[:, :-SCALE_DAYS],
        count[:, SCALE_DAYS:] - count[:, :-SCALE_DAYS],
    )
    return np.maximum(total, 0.0) / np.maximum(count, 1) + 1e-4


def _country(panel: Panel) -> Floats:
    """(series, days) log of the national price of each series' commodity; its own where nobody else has one yet."""
    country = national(panel)
    nth = {good: row for row, good in enumerate(country.commodities)}
    carried = np.log(country.filled)[[nth[good] for good in panel.commodities]]
    return np.where(np.isfinite(carried), carried, np.log(panel.filled))


def cells(panel: Panel, length: int) -> tuple[Whole, Whole]:
    """(series, origin) of every window of `length` days that lies within its series' life."""
    begun = np.isfinite(panel.price)
    full = np.cumsum(begun, axis=1)[:, : max(begun.shape[1] - length + 1, 0)] > 0  # begun on the window's first day
    series, first = np.nonzero(full)
    return series, first + length - 1


def windows(panel: Panel, length: int, knots: Sequence[int], series: Whole, origin: Whole) -> Windows:
    """The windows of `length` days that end at those origins; a target past the panel's end is NaN."""
    log, unit = np.log(panel.filled), scales(panel)[series, origin][:, None]
    here, last = log[series, origin][:, None], log.shape[1] - 1
    days = origin[:, None] + np.arange(1 - length, 1)[None, :]
    path = (log[series[:, None], days] - here) / unit
    country = _country(panel)[series[:, None], days]
    gap = (log[series[:, None], days] - country) / unit
    channels = [
        path,
        np.diff(path, axis=1, prepend=path[:, :1]),
        np.isfinite(panel.price[series[:, None], days]).astype(float),
        (country - country[:, -1:]) / unit,
        gap - gap.mean(axis=1, keepdims=True),  # dear or cheap against its own habit
    ]
    later = origin[:, None] + np.asarray(knots)[None, :]
    target = np.where(later <= last, panel.log_price[series[:, None], np.minimum(later, last)], np.nan)
    change = (target - here) / (unit * np.sqrt(np.asarray(knots)))
    return Windows(
        np.clip(np.stack(channels, axis=2), -CLIP, CLIP).astype(np.float32),
        np.clip(change, -CLIP, CLIP).astype(np.float32),
        unit[:, 0].astype(np.float32),
        series,
    )
