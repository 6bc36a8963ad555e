"""Alarms of single days -> events: alarms of a series at most 3 days apart are one."""

from dataclasses import dataclass

import numpy as np

from ml.anomaly_reports import Flags, Floats, Ints

MERGE_DAYS = 3


@dataclass(frozen=True)
class Event:
    """`rows`: numbers of its flagged days, ascending; `strongest`: the one with the largest strength."""

    series: int
    rows: tuple[int, ...]
    strongest: int

    @property
    def first(self) -> int:
        return self.rows[0]


def events(alarms: Flags, strength: Floats, days: Ints) -> list[Event]:
    """Events of [days, series] alarms, series by series."""
    found = []
    for series in np.flatnonzero(alarms.any(axis=0)).tolist():
        rows = np.flatnonzero(alarms[:, series])
        for part in np.split(rows, np.flatnonzero(np.diff(days[rows]) > MERGE_DAYS) + 1):
            weight = np.nan_to_num(strength[part, series], nan=np.inf)  # a unit error in a series too young for a score
            found.append(Event(series, tuple(part.tolist()), int(part[np.argmax(weight)])))
    return found
