"""The days that a source really reports on, and how many of its steps lie between an origin and a target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.data.panel import Days, Floats, Panel

FROZEN = 0.9  # a source is frozen at weekends when that share of its weekend days repeats or lacks a price
RECENT_DAYS = 365


@dataclass(frozen=True)
class SeriesHistory:
    """The observations of one series on its own grid, oldest first.

    Gaps are closed up, nothing is filled in.
    """

    values: Floats  # (observed,) natural logarithm of the price
    days: Days  # (observed,)
    density: float  # observations per grid day, 0–1: a weekly reporter makes one step while others make five
    business: bool  # the grid is Monday to Friday


def frozen_at_weekends(panel: Panel) -> bool:
    """Whether weekends of this panel only repeat Friday.

    Nearly all are absent or unchanged while weekdays are not.
    """
    recent = panel.filled[:, -RECENT_DAYS:]
    seen = np.isfinite(panel.price[:, -RECENT_DAYS:])[:, 1:]
    still = ~seen | (np.diff(recent, axis=1) == 0)
    began = np.isfinite(recent[:, :-1])
    weekend = ~np.is_busday(panel.days[-RECENT_DAYS:][1:])
    at_weekend = still[:, weekend][began[:, weekend]]
    on_weekdays = still[:, ~weekend][began[:, ~weekend]]
    if not at_weekend.size or not on_weekdays.size:
        return False
    return bool(at_weekend.mean() >= FROZEN and on_weekdays.mean() < at_weekend.mean() - 0.05)


def histories(panel: Panel, since: np.datetime64) -> list[SeriesHistory]:
    """The history of every series from the day `since` on, in the order of the panel."""
    late = panel.days >= since
    business = frozen_at_weekends(panel)
    on_grid = late & np.is_busday(panel.days) if business else late
    return [_history(series, panel.days[on_grid], business) for series in panel.log_price[:, on_grid]]


def _history(on_grid: Floats, days: Days, business: bool) -> SeriesHistory:
    seen = np.flatnonzero(np.isfinite(on_grid))
    span = seen[-1] - seen[0] + 1 if seen.size else 1
    return SeriesHistory(on_grid[seen], days[seen], max(seen.size, 1) / span, business)


def steps_ahead(
    history: SeriesHistory, origin: np.datetime64, horizons: Sequence[int]
) -> npt.NDArray[np.int64]:
    """(horizons,) whole steps of the series, ≥ 0, from the origin to the days `horizons` calendar days later.

    A target at a frozen weekend is Friday's price: no step beyond Friday's.
    """
    days = np.asarray(horizons)
    ahead = np.busday_count(origin + 1, origin + days + 1) if history.business else days
    return np.where(ahead > 0, np.maximum(np.rint(ahead * history.density), 1), 0).astype(np.int64)
