"""Values in a price table that are not observations: carried weekend prices, and the days after an outage."""

import numpy as np
import numpy.typing as npt

from ml.data.panel import Days, Floats

REGULAR_DAYS = 90  # of reporting before a silence counts as an outage
OUTAGE_DAYS = 14  # silent days; a long holiday is shorter
SILENT = 0.2  # share of the series that usually report: with fewer, the day is silent
FROZEN = 0.2  # weekend prices change at most this often, relative to weekday prices
ENOUGH_PAIRS = 100  # pairs of neighbouring days before weekends are called frozen


def days_after_outage(price: Floats) -> npt.NDArray[np.bool_]:
    """(days,) True on the days after an outage of the whole source, for half as many days as it lasted.

    Reports are then few, wrong or estimated. `price`: (series, days), NaN where nobody reported. The result
    for a day depends on that day and earlier ones only.
    """
    reports = np.isfinite(price).sum(axis=0)
    affected = np.zeros(len(reports), dtype=bool)
    usual = 0
    silent = 0
    for day, count in enumerate(reports):
        if day >= REGULAR_DAYS and count < SILENT * usual:
            silent += 1
            continue
        if silent >= OUTAGE_DAYS:
            affected[day : day + silent // 2] = True
        silent = 0
        usual = int(np.median(reports[max(day - REGULAR_DAYS, 0) : day + 1]))
    return affected


def carried_weekends(price: Floats, days: Days, regions: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """(series, days) True on weekend days that repeat the day before, where the source does so as a rule.

    `price`: (series, days); `regions`: region of each series. The rule is what the days so far show, so the
    result for a day depends on that day and earlier ones only.
    """
    weekend = np.isin((days.astype(np.int64) + 3) % 7, (5, 6))  # 1970-01-01 was a Thursday
    both = np.isfinite(price[:, 1:]) & np.isfinite(price[:, :-1])
    moved = both & (price[:, 1:] != price[:, :-1])
    carried = np.zeros(price.shape, dtype=bool)
    carried[:, 1:] = both & ~moved & weekend[1:]
    for region in sorted(set(regions)):
        rows = np.flatnonzero(np.array(regions) == region)
        pairs = [np.cumsum((both[rows] & (weekend[1:] == kind)).sum(axis=0)) for kind in (True, False)]
        moves = [np.cumsum((moved[rows] & (weekend[1:] == kind)).sum(axis=0)) for kind in (True, False)]
        frozen = (np.minimum(*pairs) >= ENOUGH_PAIRS) & (moves[0] * pairs[1] <= FROZEN * moves[1] * pairs[0])
        carried[np.ix_(rows, np.flatnonzero(np.r_[True, ~frozen]))] = False
    return carried
