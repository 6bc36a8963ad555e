"""Devices of one market compared with each other, in buckets of five minutes."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from lakehouse.validation import Flags
from lakehouse.validation.in_order import SECOND
from lakehouse.validation.kinds.sensor_readings import METRICS, Groups, Readings, shifted
from lakehouse.validation.windows import Floats, Ints

BUCKET = 300 * SECOND
# An hour: an event later than that is not compared.
KEPT_BUCKETS = 12
FEW_PEOPLE = 20
# °C, percent: readings that are farther apart differ too much.
LIMITS = {"temperature_c": 3.0, "humidity_pct": 10.0}
# Readings of other devices that are compared at once.
CELLS_AT_ONCE = 2_000_000
MarketMetric = tuple[str, str]


def distances(metrics: Ints, values: Floats, others: Floats) -> Floats:
    """Of two readings each, in limits: above 1 they differ too much.

    Of crowds 1 for twice as many; counts up to 20 people are not compared.
    """
    limits = np.array([LIMITS.get(metric, np.nan) for metric in METRICS])[metrics]
    many = (values > FEW_PEOPLE) & (others > FEW_PEOPLE)
    ratios = np.divide(values, others, out=np.ones_like(values), where=many)
    return np.where(np.isnan(limits), np.abs(np.log2(ratios)), np.abs(values - others) / limits)


class Buckets:
    """Newest reading of each device per bucket, of one market and metric, for an hour of event time."""

    def __init__(self) -> None:
        self.newest = 0
        self._kept: dict[int, dict[str, tuple[int, float]]] = {}

    def add(self, device: str, time: int, value: float) -> None:
        """Remember a reading; of a device the newest within a bucket. `time` in microseconds since 1970."""
        bucket = time // BUCKET
        if bucket > self.newest:
            self.newest = bucket
            self._kept = {old: devices for old, devices in self._kept.items() if old > bucket - KEPT_BUCKETS}
        if bucket <= self.newest - KEPT_BUCKETS:
            return
        devices = self._kept.setdefault(bucket, {})
        if device not in devices or time >= devices[device][0]:
            devices[device] = (time, value)

    def kept(self, bucket: int) -> Iterator[tuple[str, int, float]]:
        """Device, time and value of the readings of a bucket."""
        for device, (time, value) in self._kept.get(bucket, {}).items():
            yield device, time, value

    def all_kept(self) -> Iterator[tuple[str, int, float]]:
        """Device, time and value of all readings that are remembered."""
        for bucket in self._kept:
            yield from self.kept(bucket)


class Peers(NamedTuple):
    """Readings compared with the other devices; an entry a reading, in order of arrival.

    `peers`: other devices that sent a reading in the bucket before, 0 for none. `median`: of all, this one
    included; with one other device, its reading. `share`: the distance from it, in limits, NaN without peers.
    `beyond_before`: whether the device was beyond the limit, or sent nothing, a bucket before.
    """

    peers: Ints
    median: Floats
    share: Floats
    beyond_before: Flags


class PeerWalk:
    """The readings of each market and metric of a call, with those of the calls before.

    A reading is compared with the bucket before its own, which is closed. So the order of devices within a
    bucket does not matter, and of two devices that disagree both are reported. `beyond_before` guards against
    changes that all devices are about to measure, a rain front or an opened gate.
    """

    def __init__(self, readings: Readings, kept: Mapping[MarketMetric, Buckets]) -> None:
        self._readings = readings
        size = len(readings.times)
        codes, self._group = np.unique(
            readings.markets * len(METRICS) + readings.metrics, return_inverse=True
        )
        names = [divmod(code, len(METRICS)) for code in codes.tolist()]
        self._names = [(readings.market_names[market], METRICS[metric]) for market, metric in names]
        self._bucket = readings.times // BUCKET
        self._newest = np.array([kept[name].newest if name in kept else 0 for name in self._names], np.int64)
        groups, buckets, devices, times, values = self._earlier(kept)
        self._held = len(times)
        self._time = np.concatenate([times, readings.times])
        self._value = np.concatenate([values, readings.values])
        cells = self._number_cells(
            np.concatenate([groups, self._group]),
            np.concatenate([buckets, self._bucket]),
            np.concatenate([devices, readings.devices]),
        )
        self._entries = Groups(cells, self._time)
        arrival = np.concatenate([np.full(self._held, -1), np.arange(size)])[self._entries.order]
        self._place = self._entries.group * (size + 1) + arrival + 1  # ascending
        self._sorted_value = self._value[self._entries.order]
        self._by_group = np.argsort(self._group, kind="stable")

    def _earlier(self, kept: Mapping[MarketMetric, Buckets]) -> tuple[Ints, Ints, Ints, Ints, Floats]:
        """Group, bucket, device, time and value of the remembered readings that may be compared with."""
        wanted = np.unique(np.stack([self._group, self._bucket], axis=1), axis=0)
        both = np.unique(np.concatenate([wanted, wanted - [0, 1]]), axis=0).tolist()
        numbers = {name: nth for nth, name in enumerate(self._readings.device_names)}
        rows = [
            (group, bucket, numbers.setdefault(device, len(numbers)), time, value)
            for group, bucket in both
            if self._names[group] in kept
            for device, time, value in kept[self._names[group]].kept(bucket)
        ]
        self._devices = len(numbers)
        numbered = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, 4)
        return *numbered.T, np.array([row[4] for row in rows], dtype=np.float64)

    def _number_cells(self, groups: Ints, buckets: Ints, devices: Ints) -> Ints:
        """A number for each bucket and device of a group; notes which cells each reading is compared with."""
        listed = np.unique(np.concatenate([buckets, self._bucket - 1]))
        grid = groups * len(listed) + np.searchsorted(listed, buckets)
        codes, cells = np.unique(grid * self._devices + devices, return_inverse=True)
        cell_grid = codes // self._devices
        self._cell_device = codes % self._devices
        wanted = self._group * len(listed) + np.searchsorted(listed, self._bucket - 1)
        self._first_cell = np.searchsorted(cell_grid, wanted)
        self._cells = np.searchsorted(cell_grid, wanted, side="right") - self._first_cell
        return np.asarray(cells, dtype=np.int64)

    def compare(self, lands: Flags) -> Peers:
        """`lands`: which readings later ones are compared with."""
        size = len(lands)
        compared = Peers(
            np.zeros(size, np.int64), np.full(size, np.nan), np.full(size, np.nan), np.zeros(size, np.bool_)
        )
        counts = np.concatenate([np.ones(self._held, dtype=bool), lands])[self._entries.order]
        newest = self._entries.newest(counts)
        given = np.flatnonzero((self._cells > 0) & self._is_kept(lands))
        given = given[np.argsort(self._cells[given], kind="stable")]
        start = 0
        while start < len(given):
            most = self._cells[given[start:]] * np.arange(1, len(given) - start + 1)
            stop = start + max(int(np.searchsorted(most, CELLS_AT_ONCE)), 1)
            rows = given[start:stop]
            for whole, part in zip(compared, self._compare_rows(rows, newest), strict=True):
                whole[rows] = part
            start = stop
        return compared

    def _is_kept(self, lands: Flags) -> Flags:
        """Whether the bucket before was still remembered when the reading arrived."""
        order = self._by_group
        group = self._group[order]
        listed, ranks = np.unique(self._bucket[order], return_inverse=True)
        keys = np.where(lands[order], group * len(listed) + ranks, -1)
        highest = shifted(np.maximum.accumulate(keys))
        is_here = highest >= group * len(listed)
        newest = np.where(is_here, listed[highest % len(listed)], 0)
        newest = np.maximum(newest, self._newest[group])
        is_kept = np.empty(len(order), dtype=bool)
        is_kept[order] = self._bucket[order] - 1 > newest - KEPT_BUCKETS
        return is_kept

    def _compare_rows(self, rows: Ints, newest: Ints) -> Peers:
        """`rows`: readings; `newest`: of the entries."""
        width = int(self._cells[rows[-1]])
        nth = np.arange(width)[None]
        is_cell = nth < self._cells[rows, None]
        cells = np.minimum(self._first_cell[rows, None] + nth, len(self._cell_device) - 1)
        size = len(self._readings.times)
        entry = np.searchsorted(self._place, cells * (size + 1) + rows[:, None] + 1) - 1
        at = np.where(entry >= 0, newest[entry], -1)
        is_there = is_cell & (at >= 0) & (self._entries.group[at] == cells)
        values = np.where(is_there, self._sorted_value[at], np.inf)
        is_own = is_there & (self._cell_device[cells] == self._readings.devices[rows, None])
        others = np.where(is_own, np.inf, values)
        peers = (is_there & ~is_own).sum(axis=1)
        has_own = is_own.any(axis=1)
        own = np.where(is_own, values, 0.0).sum(axis=1)
        value = self._readings.values[rows]
        metrics = self._readings.metrics[rows]
        middle = reference(others, peers, value)
        is_beyond = distances(metrics, own, reference(others, peers, own)) > 1
        has_peers = peers > 0
        return Peers(
            peers,
            np.where(has_peers, middle, np.nan),
            np.where(has_peers, distances(metrics, value, middle), np.nan),
            has_peers & (~has_own | is_beyond),
        )

    def keep(self, lands: Flags, kept: dict[MarketMetric, Buckets]) -> None:
        """Add the readings that land to the buckets of their market and metric."""
        counts = np.concatenate([np.zeros(self._held, dtype=bool), lands])[self._entries.order]
        newest = self._entries.newest(counts)
        group_ends = np.append(np.diff(self._entries.group) != 0, True)[: len(newest)]
        last = newest[group_ends]
        rows = self._entries.order[last[last >= 0]] - self._held
        recent = np.full(len(self._names), np.iinfo(np.int64).min)
        np.maximum.at(recent, self._group[rows], self._bucket[rows])
        rows = rows[self._bucket[rows] > recent[self._group[rows]] - KEPT_BUCKETS]
        for row in rows.tolist():
            name = self._names[self._group[row]]
            device = self._readings.device_names[self._readings.devices[row]]
            kept.setdefault(name, Buckets()).add(
                device, int(self._readings.times[row]), float(self._readings.values[row])
            )


def reference(others: Floats, peers: Ints, values: Floats) -> Floats:
    """The values that readings are compared with: the median of all, or the other of two.

    `others`: [readings, devices], infinite where there is none; `peers`: how many there are.
    """
    everything = np.sort(np.concatenate([others, values[:, None]], axis=1), axis=1)
    row = np.arange(len(values))
    median = (everything[row, peers // 2] + everything[row, (peers + 1) // 2]) / 2
    return np.asarray(np.where(peers == 1, others.min(axis=1), median), dtype=np.float64)
