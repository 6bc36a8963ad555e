"""What in a table of prices is no observation, found from the data themselves: carried weekends, the days after an outage."""

import numpy as np
import numpy.typing as npt

from ml.panel import Days, Floats

REGULAR_DAYS = 90  # of reporting before a silence counts as an outage
OUTAGE_DAYS = 14  # silent days; a long holiday is shorter
SILENT = 0.2  # of the series that usually report
FROZEN = 0.2  # weekend prices change at most this often, relative to those of weekdays
ENOUGH_PAIRS = 100  # pairs of neighbouring days before weekends are called frozen


def unsettled(price: Floats) -> npt.NDArray[np.bool_]:
    """(days,) days after an outage of the whole source, half as many as it was long: reports are then few, wrong or estimated.

    Looks back only: what comes later never changes the verdict on a day.
    """
    reports = np.isfinite(price).sum(axis=0)
    found = np.zeros(len(reports), dtype=bool)
    usual, silent = 0, 0
    for day, count in enumerate(reports):
        if day >= REGULAR_DAYS and count < SILENT * usual:
            silent += 1
            continue
        if silent >= OUTAGE_DAYS:
            found[day : day + silent // 2] = True
        silent = 0
        usual = int(np.median(reports[max(day - REGULAR_DAYS, 0) : day + 1]))
    return found


def carried_weekends(price: Floats, days: Days, regions: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """(series, days) Saturdays and Sundays that repeat the day before, where the source of a region does so as a rule.

    The rule is what the days so far show: what comes later never changes the verdict on a day.
    """
    weekend = np.isin((days.astype(np.int64) + 3) % 7, (5, 6))  # 1970-01-01 was a Thursday
    both = np.isfinite(price[:, 1:]) & np.isfinite(price[:, :-1])
    moved = both & (price[:, 1:] != price[:, :-1])
    same = np.zeros(price.shape, dtype=bool)
    same[:, 1:] = both & ~moved & weekend[1:]
    for region in sorted(set(regions)):
        rows = np.flatnonzero(np.array(regions) == region)
        pairs = [np.cumsum((both[rows] & (weekend[1:] == which)).sum(axis=0)) for which in (True, False)]
        moves = [np.cumsum((moved[rows] & (weekend[1:] == which)).sum(axis=0)) for which in (True, False)]
        frozen = (np.minimum(*pairs) >= ENOUGH_PAIRS) & (moves[0] * pairs[1] <= FROZEN * moves[1] * pairs[0])
        same[np.ix_(rows, np.flatnonzero(np.r_[True, ~frozen]))] = False
    return same
