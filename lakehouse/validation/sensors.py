"""Readings against the device's own before and against the other devices of the market: jumps, standstill, crowds, odd ones."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from lakehouse.validation.crowds import CROWD_DAYS, CrowdDays
from lakehouse.validation.devices import LIMITS, Buckets, Standing
from lakehouse.validation.in_order import SECOND, InOrder, listed

JUMP_C, JUMP_SECONDS = 10.0, 300
FLAT_HOURS, FLAT_READINGS = 6, 60
FLAT_PAUSE_SECONDS = 6 * 3600  # a device silent for longer was not standing still, and a standstill stays within 15 days
CROWD_TIMES = 10
HOUR = 3600 * SECOND

Readings = list[tuple[str, float]]  # (metric, value)


class Reading(NamedTuple):
    market_id: str | None
    device_id_hash: str
    event_time: int | None
    readings: Readings


class Seen(NamedTuple):
    jump_c: float | None  # against the device's reading before, if not older than five minutes
    jump_seconds: float | None
    flat_metric: str | None  # that has stood still longest, this reading included
    flat_value: float | None
    flat_hours: float | None
    flat_readings: int | None
    crowd_count: float | None
    crowd_p99: float | None  # of the series over its 28 days before this one
    odd_metric: str | None  # that stands farthest from the other devices of the market
    odd_value: float | None
    odd_median: float | None
    odd_peers: int | None
    odd_share: float | None  # distance from the median (or the one other device), in limits
    odd_before: bool | None  # whether the device stood beyond the limit, or was not heard, a bucket before


def stands_still(hours: float, readings: int) -> bool:
    """Whether a value has stood too long, by time and by number."""
    return hours >= FLAT_HOURS and readings >= FLAT_READINGS


class Run(NamedTuple):
    """A series' newest reading and how long its value has stood."""

    time: int
    value: float
    since: int
    readings: int

    @property
    def hours(self) -> float:
        return (self.time - self.since) / HOUR

    @property
    def stillness(self) -> tuple[bool, float]:
        """Orders runs: the most suspicious is the greatest."""
        return stands_still(self.hours, self.readings), self.hours


class Sensors(InOrder[Reading, Seen]):
    """State per device and metric: one `Run`, a crowd's 28 days (8 bytes a reading), and an hour of buckets per market.

    A reading older than its series' newest is compared with other devices only. The devices of a market must share a Kafka
    partition.
    """

    kind = "sensor"
    reads = ("market_id", "device_id_hash", "event_time", "metric", "value")
    rules = {
        "temperature_jump": lambda seen: seen.jump_c is not None and seen.jump_c > JUMP_C,
        "flat_line": lambda seen: seen.flat_hours is not None and stands_still(seen.flat_hours, seen.flat_readings),
        "crowd_unusual": lambda seen: seen.crowd_p99 is not None and seen.crowd_count > CROWD_TIMES * max(seen.crowd_p99, 1),
        "devices_disagree": lambda seen: seen.odd_share is not None and seen.odd_share > 1,
        "device_odd": lambda seen: (
            seen.odd_share is not None
            and seen.odd_peers >= 2
            and (seen.odd_share > 2 or (seen.odd_share > 1 and seen.odd_before))
        ),
    }
    errors = frozenset({"device_odd"})
    looks_back_days = CROWD_DAYS + 2

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._runs: dict[tuple[str, str], Run] = {}
        self._crowds: dict[str, CrowdDays] = {}
        self._buckets: dict[tuple[str, str], Buckets] = {}

    def rows(self, table: pa.Table) -> Iterable[Reading]:
        """One row an event where there is a column `readings` (the stream's rows), one row a reading else (silver's)."""
        market, device, time = (listed(table[name]) for name in self.reads[:3])
        readings: list[Readings]
        if "readings" in table.column_names:
            given = table["readings"].to_pylist()
            readings = [[(one["metric"], one["value"]) for one in event or ()] for event in given]
        else:
            readings = [[pair] for pair in zip(listed(table["metric"]), listed(table["value"]), strict=True)]
        return zip(market, device, time, readings, strict=True)  # type: ignore[return-value]  # plain tuples with its fields

    def compare(self, row: Reading) -> Seen:
        market, device, time, readings = row
        if market is None or time is None:
            return Seen(*(None,) * len(Seen._fields))
        jump: tuple[Any, ...] = (None, None)
        crowd: tuple[Any, ...] = (None, None)
        flat: Run | None = None
        flat_metric = None
        odd: tuple[str, float, Standing] | None = None
        for metric, value in readings:
            before = self._runs.get((device, metric))
            if before is not None and time >= before.time:
                run = continued(before, time, value)
                if flat is None or run.stillness > flat.stillness:
                    flat, flat_metric = run, metric
                elapsed = (time - before.time) / SECOND
                if metric == "temperature_c" and elapsed <= JUMP_SECONDS:
                    jump = (abs(value - before.value), elapsed)
                if metric == "crowd_count" and device in self._crowds:
                    crowd = (value, self._crowds[device].p99_before(time))
            standing = self._standing(market, metric, device, time, value)
            if standing is not None and (odd is None or standing.worse_than(odd[2])):
                odd = (metric, value, standing)
        stood = (flat_metric, flat.value, flat.hours, flat.readings) if flat else (None,) * 4
        apart = (odd[0], odd[1], *odd[2]) if odd else (None,) * 6
        return Seen(*jump, *stood, *crowd, *apart)

    def _standing(self, market: str, metric: str, device: str, time: int, value: float) -> Standing | None:
        buckets = self._buckets.get((market, metric))
        return buckets.standing(device, time, value) if buckets else None

    def take_up(self, row: Reading) -> None:
        market, device, time, readings = row
        if market is None or time is None:
            return
        for metric, value in readings:
            before = self._runs.get((device, metric))
            if before is None or time >= before.time:
                self._runs[device, metric] = continued(before, time, value) if before else Run(time, value, time, 1)
                if metric == "crowd_count":
                    self._crowds.setdefault(device, CrowdDays()).add(time, value)
            if (market, metric) not in self._buckets:
                self._buckets[market, metric] = Buckets(LIMITS[metric])
            self._buckets[market, metric].add(device, time, value)


def continued(before: Run, time: int, value: float) -> Run:
    """The run with one reading more; another value, or a long pause, starts anew."""
    if value == before.value and time - before.time <= FLAT_PAUSE_SECONDS * SECOND:
        return Run(time, value, before.since, before.readings + 1)
    return Run(time, value, time, 1)
