"""Statistics of every series of a panel as a verdict on one market day may read them."""

from collections.abc import Sequence

import numpy as np

from lakehouse.validation import Flags
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.source_votes import Votes, votes
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import Floats, count, deviation, mean, median, median_of, ordered, quantile

WINDOW_DAYS = 60
GEOGRAPHIC_DAYS = 90
SCALE_DAYS = 180
LEVEL_DAYS = 7
AVERAGE_DAYS = 28
# How many steps of its own weigh as much as the usual step of its peers.
PRIOR_STEPS = 3
# Mean |x| to standard deviation under normality, 1.2533.
ROBUST = 1.25
NUMBERS = (
    "n",
    "mean_idr",
    "sd_idr",
    "q1_idr",
    "q3_idr",
    "median_idr",
    "mad_idr",
    "last_log",
    "last_day",
    "change_day",
    "level_7",
    "average_28",
    "own_scale",
    "residual_scale",
    "gap_median",
    "gap_scale",
    "friday_idr",
    "friday_day",
    "national_move",
    "national_level",
    "national_median_idr",
    "peers",
    "peers_moved",
    "source_log",
    "source_pairs",
)
# Name -> one value a series.
Statistics = dict[str, Floats]


def friday_before(day: int) -> int:
    """The last Friday before an epoch day (day 0 was a Thursday)."""
    return day - (weekday(day) - 5) % 7 - 1


def weekday(day: int) -> int:
    """0 = Monday."""
    return (day + 3) % 7


def statistics(panel: ClosingPanel, day: int, thresholds: Thresholds) -> tuple[Statistics, Votes]:
    """Statistics of all columns of the panel for a verdict on `day`; NaN where there are no closings.

    Only closings before `day` less the allowed lateness are read. Windows are calendar days: 60 for the
    price's own distribution, 90 for the usual gap to the national level, 180 for scales.
    """
    if day not in panel.memo:
        rows = panel.closed(day)
        source = votes(panel, day, thresholds.source_pairs, thresholds.source_age_days)
        if rows:
            own = _own(panel, day, rows)
            values = {
                **own,
                **_scales(panel, day, rows, thresholds.step_share),
                **_peers(panel, day, rows, thresholds),
            }
        else:
            values = _nothing(panel.width)
        values |= {"source_log": source.expected_log, "source_pairs": source.pairs}
        panel.memo = {day: (values, source)}
    cached: tuple[Statistics, Votes] = panel.memo[day]
    return cached


def _nothing(width: int) -> Statistics:
    return {name: np.zeros(width) if name in ("n", "peers") else np.full(width, np.nan) for name in NUMBERS}


def _own(panel: ClosingPanel, day: int, rows: int) -> Statistics:
    start = panel.since(day - WINDOW_DAYS, rows)
    prices = panel.grid("price", start, rows)
    ascending, n = ordered(prices), count(prices)
    centre = mean(prices)
    middle = quantile(ascending, n, 0.5)
    friday = friday_before(day)
    at = panel.since(friday, rows)
    has_friday = at < rows and panel.days(at, at + 1)[0] == friday
    return {
        "n": n.astype(np.float64),
        "mean_idr": centre,
        "sd_idr": deviation(prices, centre),
        "q1_idr": quantile(ascending, n, 0.25),
        "q3_idr": quantile(ascending, n, 0.75),
        "median_idr": middle,
        "mad_idr": median(np.abs(prices - middle)),
        "last_log": panel.grid("last_log", rows - 1, rows)[0],
        "last_day": panel.grid("last_day", rows - 1, rows)[0],
        "change_day": panel.grid("change_day", rows - 1, rows)[0],
        "level_7": median(panel.grid("log", panel.since(day - LEVEL_DAYS - panel.lateness_days, rows), rows)),
        "average_28": mean(panel.grid("log", panel.since(day - AVERAGE_DAYS, rows), rows)),
        "friday_idr": panel.grid("price", at, at + 1)[0] if has_friday else np.full(panel.width, np.nan),
        "friday_day": np.full(panel.width, float(friday)),
    }


def _scales(panel: ClosingPanel, day: int, rows: int, share: float) -> Statistics:
    start = panel.since(day - SCALE_DAYS, rows)
    gap = panel.grid("gap", start, rows)
    own = np.abs(panel.grid("own_move", start, rows))
    residual = np.abs(panel.grid("residual", start, rows))
    steps = own > 0
    usual = median(panel.grid("gap", panel.since(day - GEOGRAPHIC_DAYS, rows), rows))
    return {
        "own_scale": _scale(own, steps, panel.level, share),
        "residual_scale": ROBUST * _scale(residual, steps, panel.level, share),
        "gap_median": usual,
        "gap_scale": ROBUST * mean(np.abs(gap - usual)),
    }


def _scale(sizes: Floats, steps: Flags, level: Sequence[str], share: float) -> Floats:
    """Mean size down each column; at least `share` of the usual size where the price changed (`steps`).

    A price that stands still for weeks averages zeros, so that every step would be an outlier. The usual size
    of a column is a mean over its steps and PRIOR_STEPS of its level: the median column's mean.
    """
    number = steps.sum(axis=0)
    total = np.where(steps, sizes, 0.0).sum(axis=0)
    own = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    prior = np.full(len(own), np.nan)
    levels = np.array(level)
    for name in sorted(set(level)):
        same = np.flatnonzero(levels == name)
        prior[same] = median_of(own[same], 1)
    usual = (total + prior * PRIOR_STEPS) / (number + PRIOR_STEPS)
    return np.asarray(np.fmax(mean(sizes), share * usual))


def _peers(panel: ClosingPanel, day: int, rows: int, thresholds: Thresholds) -> Statistics:
    def everywhere(value: float) -> Floats:
        return np.full(panel.width, value)

    start = panel.since(day - GEOGRAPHIC_DAYS, rows)
    prices = panel.grid("price", start, rows)
    last_day, change_day = (panel.grid(name, rows - 1, rows)[0] for name in ("last_day", "change_day"))
    alive = last_day >= day - thresholds.stale_days
    moved = alive & (change_day >= day - thresholds.stale_days)
    finite = prices[np.isfinite(prices)]
    return {
        "national_move": everywhere(panel.national("move", rows - 1)),
        "national_level": everywhere(panel.national("level", rows - 1)),
        "national_median_idr": everywhere(float(np.median(finite)) if len(finite) else np.nan),
        "peers": everywhere(float(alive.sum())),
        "peers_moved": everywhere(float(moved.sum()) / max(int(alive.sum()), 1)),
    }
