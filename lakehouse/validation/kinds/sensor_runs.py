"""A device's readings of one metric in order: the reading before, and how long the value has stood still."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lakehouse.validation import Flags
from lakehouse.validation.in_order import DAY, SECOND
from lakehouse.validation.kinds.crowd_profile import CROWD_DAYS, CrowdDays, p99_of
from lakehouse.validation.kinds.sensor_readings import METRICS, Groups, Readings, latest
from lakehouse.validation.windows import Floats, Ints

# A device that sent nothing for longer was not flat. So a flat run stays within 15 days.
FLAT_PAUSE_SECONDS = 6 * 3600
CROWD = METRICS.index("crowd_count")
Series = tuple[str, str]  # device, metric


class FlatRun(NamedTuple):
    """The newest reading of a series and since when its value has been the same."""

    time: int
    value: float
    since: int
    readings: int


class Compared(NamedTuple):
    """Readings compared with the one before; an entry a reading, in order of arrival.

    `is_after`: not older than the newest of its series, else nothing is compared. `change`, `elapsed`: from
    that reading (µs). `since`, `length`: of the run of one value that this reading ends.
    """

    is_after: Flags
    change: Floats
    elapsed: Ints
    since: Ints
    length: Ints


class SeriesWalk:
    """The readings of each series of a call, after the newest one of the calls before."""

    def __init__(self, readings: Readings, runs: Mapping[Series, FlatRun]) -> None:
        codes, series = np.unique(readings.devices * len(METRICS) + readings.metrics, return_inverse=True)
        names = [divmod(code, len(METRICS)) for code in codes.tolist()]
        self.series = [(readings.device_names[device], METRICS[metric]) for device, metric in names]
        earlier = [(nth, runs[name]) for nth, name in enumerate(self.series) if name in runs]
        numbers = [nth for nth, _ in earlier]
        held = [run for _, run in earlier]
        self._earlier = len(earlier)
        groups = np.concatenate([np.array(numbers, dtype=np.int64), series])
        times = np.concatenate([np.array([run.time for run in held], dtype=np.int64), readings.times])
        since = np.array([run.since for run in held], dtype=np.int64)
        count = np.array([run.readings for run in held], dtype=np.int64)
        self._groups = Groups(groups, times)
        order = self._groups.order
        self._value = np.concatenate([np.array([run.value for run in held]), readings.values])[order]
        self._since = np.concatenate([since, readings.times])[order]
        self._count = np.concatenate([count, np.ones(len(readings.times), dtype=np.int64)])[order]
        is_crowd = np.concatenate([np.zeros(len(held), dtype=bool), readings.metrics == CROWD])
        self._is_crowd = is_crowd[order]

    def compare(self, lands: Flags) -> Compared:
        """`lands`: which readings later ones are compared with."""
        newest, before, is_after, is_same = self._steps(lands)
        first, counted = self._runs(newest, is_same)
        since = np.where(is_same, self._since[first[before]], self._groups.time)
        length = np.where(is_same, counted[before] + 1, 1)
        change = self._value - self._value[before]
        elapsed = self._groups.time - self._groups.time[before]
        return Compared(*(self._by_arrival(part) for part in (is_after, change, elapsed, since, length)))

    def _steps(self, lands: Flags) -> tuple[Ints, Ints, Flags, Flags]:
        groups = self._groups
        counts = np.concatenate([np.ones(self._earlier, dtype=bool), lands])[groups.order]
        newest = groups.newest(counts)
        before = groups.before(newest)
        is_after = (before >= 0) & (groups.time >= groups.time[before])
        pause = groups.time - groups.time[before]
        is_same = is_after & (self._value == self._value[before]) & (pause <= FLAT_PAUSE_SECONDS * SECOND)
        return newest, before, is_after, is_same

    def _runs(self, newest: Ints, is_same: Flags) -> tuple[Ints, Ints]:
        """First reading of the run of each newest reading, and readings in it so far."""
        is_newest = newest == np.arange(len(newest))
        first = latest(is_newest & ~is_same)
        numbers = np.cumsum(is_newest)
        return first, numbers - numbers[first] + self._count[first]

    def _by_arrival(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        arrived = np.empty_like(values)
        arrived[self._groups.order] = values
        return arrived[self._earlier :]

    def runs(self, lands: Flags) -> dict[Series, FlatRun]:
        """The newest run of each series that has any, once the readings that land are part of it."""
        newest, _, _, is_same = self._steps(lands)
        first, counted = self._runs(newest, is_same)
        ends = np.flatnonzero(np.append(np.diff(self._groups.group) != 0, True))[: len(newest)]
        last = newest[ends]
        some = last >= 0
        last = last[some]
        parts = (self._groups.time[last], self._value[last], self._since[first[last]], counted[last])
        names = (self.series[nth] for nth in self._groups.group[last].tolist())
        rows = zip(*(part.tolist() for part in parts), strict=True)
        return {name: FlatRun(*row) for name, row in zip(names, rows, strict=True)}

    def crowd_limits(self, lands: Flags, crowds: Mapping[str, CrowdDays]) -> Floats:
        """The usual crowd of each crowd reading that is compared; NaN for all others and where unknown."""
        newest, before, is_after, _ = self._steps(lands)
        groups = self._groups
        day = groups.time // DAY
        is_newest = (newest == np.arange(len(newest))) & (groups.order >= self._earlier)
        sums = np.concatenate([[0], np.cumsum(is_newest)])
        begins_day = (newest == np.arange(len(newest))) & ((before < 0) | (day[before] != day))
        day_start = latest(begins_day)
        limits = np.full(len(newest), np.nan)
        rows = np.flatnonzero(is_after & self._is_crowd)
        end = np.where(day[before[rows]] == day[rows], day_start[before[rows]], rows)
        start = np.searchsorted(groups.group, groups.group[rows])
        inputs = np.stack([groups.group[rows], day[rows], sums[end] - sums[start]], axis=1)
        is_other = (np.diff(inputs, axis=0, prepend=-1) != 0).any(axis=1)  # mostly a day has one limit
        first = np.flatnonzero(is_other)
        known = np.empty(len(first))
        for nth, row in enumerate(first.tolist()):
            earlier = crowds.get(self.series[groups.group[rows[row]]][0], NO_CROWD)
            here = start[row] + np.flatnonzero(is_newest[start[row] : end[row]]) if inputs[row, 2] else NONE
            known[nth] = crowd_limit(earlier, int(day[rows[row]]), day[here], self._value[here])
        limits[rows] = known[np.cumsum(is_other) - 1]
        return self._by_arrival(limits)

    def add_crowds(self, lands: Flags, crowds: dict[str, CrowdDays]) -> None:
        """Add the newest crowd readings that land to those of their device."""
        newest = self._steps(lands)[0]
        is_newest = (newest == np.arange(len(newest))) & (self._groups.order >= self._earlier)
        rows = np.flatnonzero(is_newest & self._is_crowd)
        days = self._groups.time[rows] // DAY
        group = self._groups.group[rows]
        starts = np.flatnonzero(np.diff(group, prepend=-1) | np.diff(days, prepend=-1))
        for start, stop in pairwise([*starts.tolist(), len(rows)]):
            device = self.series[group[start]][0]
            values = self._value[rows[start:stop]]
            crowds.setdefault(device, CrowdDays()).add(int(days[start]), values)


NO_CROWD = CrowdDays()
NONE = np.empty(0, dtype=np.int64)


def crowd_limit(earlier: CrowdDays, day: int, days: Ints, values: Floats) -> float:
    """99th percentile of the readings of 28 days before `day`; NaN with too few.

    `days`, `values`: of readings of this call that came before.
    """
    if not len(days):
        return earlier.p99_before(day)
    inside = values[(days >= day - CROWD_DAYS) & (days < day)]
    return p99_of([*earlier.readings_before(day), inside])
