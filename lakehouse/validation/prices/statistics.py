"""Statistics of every series of a panel as a verdict on one market day may read them."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from lakehouse.validation import Flags
from lakehouse.validation.prices.closings import ClosingPanel
from lakehouse.validation.prices.source_votes import Votes, votes
from lakehouse.validation.prices.thresholds import Thresholds
from lakehouse.validation.windows import (
    Floats,
    Ints,
    count,
    deviation,
    mean,
    median,
    median_of,
    ordered,
    quantile,
)

WINDOW_DAYS = 60
GEOGRAPHIC_DAYS = 90
SCALE_DAYS = 180
LEVEL_DAYS = 7
AVERAGE_DAYS = 28
# How many steps of its own weigh as much as the usual step of its peers.
PRIOR_STEPS = 3
# Mean |x| to standard deviation under normality, 1.2533.
ROBUST = 1.25
OF_WINDOW = ("n", "mean_idr", "sd_idr", "q1_idr", "q3_idr", "median_idr", "mad_idr")
NUMBERS = (
    *OF_WINDOW,
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
PLACE = {name: nth for nth, name in enumerate(NUMBERS)}
Day = TypeVar("Day", int, Ints)
# Name -> one value a series, [width], or one a day and series, [days, width].
Statistics = dict[str, Floats]


class Window:
    """The closings that verdicts on several days may read.

    `rows`: how many rows of the panel each day may read, at least one.
    """

    def __init__(self, panel: ClosingPanel, days: Ints, rows: Ints) -> None:
        self.panel = panel
        self.days = days
        self.rows = rows
        self._last = int(rows.max())
        self._known_days = panel.days(0, self._last)
        self._known_places: dict[int, tuple[Ints, Flags]] = {}

    def of(self, name: str, calendar_days: int) -> Floats:
        """[days, rows, width]: the last calendar days of each day, their rows at the end; NaN before them."""
        grid = self.panel.grid(name, 0, self._last)
        if len(self.rows) == 1:
            start = min(int(np.searchsorted(self._known_days, self.days[0] - calendar_days)), self._last)
            return grid[None, start:]
        rows, is_before = self._places(calendar_days)
        values: Floats = grid[rows]
        values[is_before] = np.nan
        return values

    def _places(self, calendar_days: int) -> tuple[Ints, Flags]:
        """[days, rows]: rows of the panel that `of` reads, and which of them are before the first day."""
        if calendar_days not in self._known_places:
            starts = np.minimum(np.searchsorted(self._known_days, self.days - calendar_days), self.rows)
            rows = self.rows[:, None] + np.arange(-int((self.rows - starts).max()), 0)
            self._known_places[calendar_days] = rows, rows < starts[:, None]
        return self._known_places[calendar_days]

    def last(self, name: str) -> Floats:
        """[days, width]: the last row that each day may read."""
        return self.panel.grid(name, 0, self._last)[self.rows - 1]

    def on(self, name: str, days: Ints) -> Floats:
        """[days, width]: the rows of other days; NaN where a day has no row that may be read."""
        at = np.minimum(np.searchsorted(self._known_days, days), self.rows - 1)
        values: Floats = self.panel.grid(name, 0, self._last)[at]
        values[self._known_days[at] != days] = np.nan
        return values

    def national(self, name: str) -> Floats:
        """[days]: national `move` or `level` at the last row that each day may read."""
        return self.panel.national(name, self._last)[self.rows - 1]


def friday_before(day: Day) -> Day:
    """The last Friday before an epoch day (day 0 was a Thursday)."""
    return day - (weekday(day) - 5) % 7 - 1


def weekday(day: Day) -> Day:
    """0 = Monday."""
    return (day + 3) % 7


def statistics(panel: ClosingPanel, day: int, thresholds: Thresholds) -> tuple[Statistics, Votes]:
    """Statistics of all columns of the panel for a verdict on `day`; NaN where there are no closings.

    Only closings before `day` less the allowed lateness are read. Windows are calendar days: 60 for the
    price's own distribution, 90 for the usual gap to the national level, 180 for scales.
    """
    known, sources = statistics_of_days(panel, np.array([day]), thresholds)
    return dict(zip(NUMBERS, known[0], strict=True)), sources[0]


def statistics_of_days(panel: ClosingPanel, days: Ints, thresholds: Thresholds) -> tuple[Floats, list[Votes]]:
    """`statistics` of several days at once, [days, NUMBERS, width], and the votes of each day."""
    missing = [day for day in days.tolist() if day not in panel.memo]
    if missing:
        computed = _computed(panel, np.array(missing), thresholds)
        panel.memo = {day: panel.memo[day] for day in days.tolist() if day in panel.memo}
        panel.memo |= dict(zip(missing, computed, strict=True))
    values, sources = zip(*(panel.memo[day] for day in days.tolist()), strict=True)
    return values[0][None] if len(values) == 1 else np.stack(values), list(sources)


def _computed(panel: ClosingPanel, days: Ints, thresholds: Thresholds) -> Iterator[tuple[Floats, Votes]]:
    rows = np.searchsorted(panel.days(0, panel.size), days - panel.lateness_days)
    known = _of_known_days(panel, days, rows, thresholds)
    sources = votes(panel, days, thresholds.source_pairs, thresholds.source_age_days)
    known[:, PLACE["source_log"]] = [source.expected_log for source in sources]
    known[:, PLACE["source_pairs"]] = [source.pairs for source in sources]
    return zip(known, sources, strict=True)


def _of_known_days(panel: ClosingPanel, days: Ints, rows: Ints, thresholds: Thresholds) -> Floats:
    """Statistics by the first `rows` of the panel for each day; NaN where there are none."""
    # Days ascend.
    past = slice(int(np.searchsorted(rows, 0, side="right")), None)
    values = np.full((len(days), len(NUMBERS), panel.width), np.nan)
    values[:, [PLACE["n"], PLACE["peers"]]] = 0.0
    if len(rows[past]):
        window = Window(panel, days[past], rows[past])
        read = _own(window) | _scales(window, thresholds.step_share) | _peers(window, thresholds)
        for name, known in read.items():
            values[past, PLACE[name]] = known
    return values


def _own(window: Window) -> Statistics:
    prices = window.of("price", WINDOW_DAYS)
    ascending, n = ordered(prices), count(prices)
    centre = mean(prices)
    lower, middle, upper = quantile(ascending, n, np.array([0.25, 0.5, 0.75])[:, None, None])
    friday = friday_before(window.days)
    lateness = window.panel.lateness_days
    return {
        "n": n.astype(np.float64),
        "mean_idr": centre,
        "sd_idr": deviation(prices, centre),
        "q1_idr": lower,
        "q3_idr": upper,
        "median_idr": middle,
        "mad_idr": median(np.abs(prices - middle[:, None])),
        "last_log": window.last("last_log"),
        "last_day": window.last("last_day"),
        "change_day": window.last("change_day"),
        "level_7": median(window.of("log", LEVEL_DAYS + lateness)),
        "average_28": mean(window.of("log", AVERAGE_DAYS)),
        "friday_idr": window.on("price", friday),
        "friday_day": friday.astype(np.float64)[:, None],
    }


def _scales(window: Window, share: float) -> Statistics:
    """Mean sizes down each column; for moves at least `share` of the usual size where the price changed.

    A price that stands still for weeks averages zeros, so that every step would be an outlier.
    """
    gap = window.of("gap", SCALE_DAYS)
    usual = median(window.of("gap", GEOGRAPHIC_DAYS))
    sizes = np.empty((3, *gap.shape))
    np.abs(window.of("own_move", SCALE_DAYS), out=sizes[0])
    np.abs(window.of("residual", SCALE_DAYS), out=sizes[1])
    np.abs(gap - usual[:, None], out=sizes[2])
    means = mean(sizes)
    scales = np.fmax(means[:2], share * _usual_steps(sizes[:2], sizes[0] > 0, window.panel))
    return {
        "own_scale": scales[0],
        "residual_scale": ROBUST * scales[1],
        "gap_median": usual,
        "gap_scale": ROBUST * means[2],
    }


def _usual_steps(sizes: Floats, steps: Flags, panel: ClosingPanel) -> Floats:
    """Usual size of each column where the price changed (`steps`).

    It is a mean over its steps and PRIOR_STEPS of its level: the median column's mean.
    """
    number = steps.sum(axis=-2)
    total = np.where(steps, sizes, 0.0).sum(axis=-2)
    own = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    prior = np.full(own.shape, np.nan)
    for same in panel.columns_of.values():
        level = own[..., same]
        prior[..., same] = median_of(level.reshape(-1, len(same)), 1).reshape(*level.shape[:-1], 1)
    return np.asarray((total + prior * PRIOR_STEPS) / (number + PRIOR_STEPS))


def _peers(window: Window, thresholds: Thresholds) -> Statistics:
    oldest = window.days[:, None] - thresholds.stale_days
    alive = window.last("last_day") >= oldest
    moved = alive & (window.last("change_day") >= oldest)
    peers = alive.sum(axis=1)
    prices = window.of("price", GEOGRAPHIC_DAYS)
    national = {
        "national_move": window.national("move"),
        "national_level": window.national("level"),
        "national_median_idr": median_of(prices.reshape(len(prices), -1), 1),
        "peers": peers.astype(np.float64),
        "peers_moved": moved.sum(axis=1) / np.maximum(peers, 1),
    }
    return {name: values[:, None] for name, values in national.items()}
