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
        self.readings = readings
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
        first = int(self._bucket.min(initial=0)) - 1
        span = int(self._bucket.max(initial=0)) - first + 1
        codes = np.unique(self._group * span + self._bucket - first)  # one number sorts faster than two
        both = np.unique(np.concatenate([codes, codes - 1]))
        numbers = {name: nth for nth, name in enumerate(self.readings.device_names)}
        rows = [
            (group, bucket + first, numbers.setdefault(device, len(numbers)), time, value)
            for group, bucket in zip((both // span).tolist(), (both % span).tolist(), strict=True)
            if self._names[group] in kept
            for device, time, value in kept[self._names[group]].kept(bucket + first)
        ]
        self._devices = len(numbers)
        *whole, values = zip(*rows, strict=True) if rows else [()] * 5
        numbered = np.array(whole, dtype=np.int64)  # by column: half the time of row by row
        groups, buckets, devices, times = numbered
        return groups, buckets, devices, times, np.array(values, dtype=np.float64)

    def _number_cells(self, groups: Ints, buckets: Ints, devices: Ints) -> Ints:
        """A number for each bucket and device of a group; notes which cells each reading is compared with."""
        listed = np.unique(np.concatenate([buckets, self._bucket - 1]))
        grid = groups * len(listed) + np.searchsorted(listed, buckets)
        codes, cells = np.unique(grid * self._devices + devices, return_inverse=True)
        self._codes = codes
        self._cell_grid = codes // self._devices
        self._wanted = self._group * len(listed) + np.searchsorted(listed, self._bucket - 1)
        self.first_cell = np.searchsorted(self._cell_grid, self._wanted)
        self.cells = np.searchsorted(self._cell_grid, self._wanted, side="right") - self.first_cell
        return np.asarray(cells, dtype=np.int64)

    def compare(self, lands: Flags) -> Peers:
        """`lands`: which readings later ones are compared with."""
        size = len(lands)
        peers = Peers(
            np.zeros(size, np.int64), np.full(size, np.nan), np.full(size, np.nan), np.zeros(size, np.bool_)
        )
        counts = np.concatenate([np.ones(self._held, dtype=bool), lands])[self._entries.order]
        newest = self._entries.newest(counts)
        rows, versions = self._versions(newest, np.flatnonzero((self.cells > 0) & self._is_kept(lands)))
        order = np.argsort(versions, kind="stable")
        rows = rows[order]
        is_first = np.diff(versions[order], prepend=-1) != 0
        nth = np.cumsum(is_first) - 1
        first = rows[is_first]
        start = 0
        while start < len(first):
            widths = np.maximum.accumulate(self.cells[first[start:]])
            cells = widths * np.arange(1, len(widths) + 1)
            stop = start + max(int(np.searchsorted(cells, CELLS_AT_ONCE)), 1)
            low, high = np.searchsorted(nth, [start, stop])
            part = rows[low:high]
            others = _Others(self, first[start:stop], newest)
            for whole, values in zip(peers, others.compare(part, nth[low:high] - start), strict=True):
                whole[part] = values
            start = stop
        return peers

    def _versions(self, newest: Ints, rows: Ints) -> tuple[Ints, Ints]:
        """Those of the rows with readings to compare with, and a number: rows of one number see the same."""
        size = len(self.readings.times) + 1
        updates = np.flatnonzero(newest == np.arange(len(newest)))
        cell = self._entries.group[updates]
        places = np.sort(self._cell_grid[cell] * size + self._place[updates] - cell * size)
        versions = np.searchsorted(places, self._wanted[rows] * size + rows + 1)
        has_any = versions > np.searchsorted(places, self._wanted[rows] * size)
        return rows[has_any], versions[has_any]

    def newest_in(self, cells: Ints, rows: Ints, newest: Ints) -> tuple[Flags, Floats]:
        """Whether a cell has a reading when each row arrives, and the newest one's value."""
        entry = np.searchsorted(self._place, cells * (len(self.readings.times) + 1) + rows + 1) - 1
        at = np.where(entry >= 0, newest[entry], -1)
        return (at >= 0) & (self._entries.group[at] == cells), self._sorted_value[at]

    def own_cells(self, rows: Ints) -> Ints:
        """The cell of the row's own device in the bucket before; −1 for none."""
        codes = self._wanted[rows] * self._devices + self.readings.devices[rows]
        cell = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[cell] == codes, cell, -1)

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
        readings = self.readings
        columns = (self._group, readings.devices, readings.times, readings.values)
        for group, device, time, value in zip(*(column[rows].tolist() for column in columns), strict=True):
            name = self._names[group]
            if name not in kept:
                kept[name] = Buckets()
            kept[name].add(readings.device_names[device], time, value)


class _Others:
    """The readings of a bucket in ascending order, as the rows of a call see it: a row a version of it."""

    def __init__(self, walk: PeerWalk, first: Ints, newest: Ints) -> None:
        """`first`: a reading that sees each version; `newest`: of the entries of `walk`."""
        self._walk = walk
        size = walk.cells[first, None]
        start = walk.first_cell[first, None]
        nth = np.arange(int(size.max()))[None]
        is_there, values = walk.newest_in(np.where(nth < size, start + nth, start), first[:, None], newest)
        self._is_there = is_there & (nth < size)
        self._values = np.where(self._is_there, values, np.inf)
        order = np.argsort(self._values, axis=1, kind="stable")
        self._rank = np.argsort(order, axis=1)
        padding = np.full((len(first), 2), np.inf)
        self._ascending = np.concatenate([np.take_along_axis(self._values, order, axis=1), padding], axis=1)
        self._size = self._is_there.sum(axis=1)

    def compare(self, rows: Ints, version: Ints) -> Peers:
        """The readings `rows`, each compared with the others of its version."""
        cell = self._walk.own_cells(rows)
        nth = np.maximum(cell - self._walk.first_cell[rows], 0)
        has_own = (cell >= 0) & self._is_there[version, nth]
        own = np.where(has_own, self._values[version, nth], 0.0)
        rank = np.where(has_own, self._rank[version, nth], self._ascending.shape[1])
        peers = self._size[version] - has_own
        value = self._walk.readings.values[rows]
        metrics = self._walk.readings.metrics[rows]
        middle = self._reference(version, rank, peers, value)
        is_beyond = distances(metrics, own, self._reference(version, rank, peers, own)) > 1
        has_peers = peers > 0
        return Peers(
            peers,
            np.where(has_peers, middle, np.nan),
            np.where(has_peers, distances(metrics, value, middle), np.nan),
            has_peers & (~has_own | is_beyond),
        )

    def _reference(self, version: Ints, rank: Ints, peers: Ints, values: Floats) -> Floats:
        """What values are compared with: the median of the others and the value, or the other of two.

        `rank`: place of the own reading, which is none of the others.
        """

        def other(nth: Ints) -> Floats:
            place = np.maximum(nth + (nth >= rank), 0)
            return np.where(nth < 0, -np.inf, self._ascending[version, place])

        def with_value(nth: Ints) -> Floats:
            return np.minimum(np.maximum(values, other(nth - 1)), other(nth))

        median = (with_value(peers // 2) + with_value((peers + 1) // 2)) / 2
        return np.where(peers == 1, other(np.zeros_like(peers)), median)
