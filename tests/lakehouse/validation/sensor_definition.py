"""The definition of the sensor rules, reading by reading in plain Python, for tests of the product."""

from collections.abc import Callable, Iterable, Mapping
from math import ceil, log2
from statistics import median
from typing import Any, NamedTuple

import pyarrow as pa

from lakehouse.validation import ValidatorState
from lakehouse.validation.in_order import DAY, SECOND, InOrder, column_values

CROWD_DAYS = 28
FEWEST_READINGS = 100
BUCKET = 300 * SECOND
KEPT_BUCKETS = 12
FEW_PEOPLE = 20
JUMP_SECONDS = 300
# Among several metrics of an event, one that is flat by the limits of the rule `flat_line` is the evidence.
FLAT_HOURS = 6
FLAT_READINGS = 60
# A device that sent nothing for longer was not flat. So a flat run stays within 15 days.
FLAT_PAUSE_SECONDS = 6 * 3600
HOUR = 3600 * SECOND

# (metric, value) of one event.
Readings = list[tuple[str, float]]


# Of two readings, in limits: above 1 they differ too much.
Distance = Callable[[float, float], float]


def crowd_distance(count: float, other: float) -> float:
    """1 for twice as many; counts up to 20 people are not compared."""
    return abs(log2(count / other)) if count > FEW_PEOPLE and other > FEW_PEOPLE else 0.0


LIMITS: dict[str, Distance] = {
    "temperature_c": lambda celsius, other: abs(celsius - other) / 3,
    "humidity_pct": lambda percent, other: abs(percent - other) / 10,
    "crowd_count": crowd_distance,
}


class PeerComparison(NamedTuple):
    """A reading compared with the other devices.

    `median`: of all devices, this one included; with one other device, its reading. `share`: the distance
    from it, in limits. `beyond_before`: whether the device was beyond the limit, or sent nothing, a bucket
    before.
    """

    median: float
    peers: int
    share: float
    beyond_before: bool

    def worse_than(self, other: "PeerComparison") -> bool:
        """Whether it is nearer to being refused, by the limits of the rule `device_odd`."""
        return (self.peers >= 2 and self.share > 1, self.share) > (
            other.peers >= 2 and other.share > 1,
            other.share,
        )


class Buckets:
    """Newest reading of each device per bucket, of one market and metric, for an hour of event time.

    A reading is compared with the bucket before its own, which is closed. So the order of devices within a
    bucket does not matter, and of two devices that disagree both are reported. `beyond_before` guards against
    changes that all devices are about to measure, a rain front or an opened gate.
    """

    def __init__(self, distance: Distance) -> None:
        self._distance = distance
        self._newest = 0
        self._kept: dict[int, dict[str, tuple[int, float]]] = {}

    def add(self, device: str, time: int, value: float) -> None:
        """Remember a reading; of a device the newest within a bucket. `time` in microseconds since 1970."""
        bucket = time // BUCKET
        if bucket > self._newest:
            self._newest = bucket
            self._kept = {old: devices for old, devices in self._kept.items() if old > bucket - KEPT_BUCKETS}
        if bucket <= self._newest - KEPT_BUCKETS:
            return
        devices = self._kept.setdefault(bucket, {})
        if device not in devices or time >= devices[device][0]:
            devices[device] = (time, value)

    def compare(self, device: str, time: int, value: float) -> PeerComparison | None:
        """The comparison of a reading, None when no other device sent one in the bucket before."""
        devices = self._kept.get(time // BUCKET - 1)
        if not devices or (len(devices) == 1 and device in devices):
            return None
        others = [reading for name, (_, reading) in devices.items() if name != device]
        own = devices.get(device)
        middle = reference_value(others, value)
        beyond_before = own is None or self._distance(own[1], reference_value(others, own[1])) > 1
        return PeerComparison(middle, len(others), self._distance(value, middle), beyond_before)


def reference_value(others: list[float], value: float) -> float:
    """The value that a reading is compared with: the median of all, or the other of two."""
    return others[0] if len(others) == 1 else median([*others, value])


class CrowdDays:
    """Readings of one counter, added in order of time."""

    def __init__(self) -> None:
        self._readings: list[tuple[int, float]] = []

    def add(self, time: int, value: float) -> None:
        self._readings.append((time // DAY, value))

    def p99_before(self, time: int) -> float | None:
        day = time // DAY
        values = sorted(value for old, value in self._readings if day - CROWD_DAYS <= old < day)
        return values[ceil(0.99 * len(values)) - 1] if len(values) >= FEWEST_READINGS else None


class Reading(NamedTuple):
    market_id: str | None
    device_id_hash: str
    event_time: int | None
    readings: Readings


class SensorEvidence(NamedTuple):
    # Against the reading of the device before, if that is not older than five minutes.
    jump_c: float | None
    jump_seconds: float | None
    # The metric that has been flat longest, this reading included.
    flat_metric: str | None
    flat_value: float | None
    flat_hours: float | None
    flat_readings: int | None
    crowd_count: float | None
    # 99th percentile of the series over the 28 days before this one.
    crowd_p99: float | None
    # The metric that lies farthest from the other devices of the market.
    odd_metric: str | None
    odd_value: float | None
    odd_median: float | None
    odd_peers: int | None
    # Distance from the median (or from the one other device), in limits.
    odd_share: float | None
    # Whether the device was beyond the limit, or sent nothing, a bucket before.
    odd_before: bool | None


class FlatRun(NamedTuple):
    """The newest reading of a series and since when its value has been the same."""

    time: int
    value: float
    since: int
    readings: int

    @property
    def hours(self) -> float:
        return (self.time - self.since) / HOUR

    @property
    def flatness(self) -> tuple[bool, float]:
        """Orders runs: the most suspicious is the greatest."""
        return self.hours >= FLAT_HOURS and self.readings >= FLAT_READINGS, self.hours


class SensorsReadingByReading(InOrder[Reading, SensorEvidence]):
    """State: a `FlatRun` per device and metric, 28 days of each crowd (8 bytes a reading), an hour a market.

    A reading older than the newest of its series is compared with other devices only. The devices of a market
    must share a Kafka partition.
    """

    kind = "sensor"
    reads = ("market_id", "device_id_hash", "event_time", "metric", "value")
    evidence = SensorEvidence._fields
    looks_back_days = CROWD_DAYS + 2

    def __init__(self, knobs: Mapping[str, object]) -> None:
        super().__init__(knobs)
        self._runs: dict[tuple[str, str], FlatRun] = {}
        self._crowds: dict[str, CrowdDays] = {}
        self._buckets: dict[tuple[str, str], Buckets] = {}

    def memory(self) -> ValidatorState:
        raise NotImplementedError

    def restore(self, state: ValidatorState) -> None:
        raise NotImplementedError

    def rows(self, table: pa.Table) -> Iterable[Reading]:
        """One row an event if there is a column `readings` (the stream), else one row a reading (silver)."""
        market, device, time = (column_values(table[name]) for name in self.reads[:3])
        readings: list[Readings]
        if "readings" in table.column_names:
            given = table["readings"].to_pylist()
            readings = [[(reading["metric"], reading["value"]) for reading in event or ()] for event in given]
        else:
            readings = [
                [pair]
                for pair in zip(column_values(table["metric"]), column_values(table["value"]), strict=True)
            ]
        # Plain tuples with the fields of Reading.
        return zip(market, device, time, readings, strict=True)  # type: ignore[return-value]

    def compare(self, row: Reading) -> SensorEvidence:
        market, device, time, readings = row
        if market is None or time is None:
            return SensorEvidence(*(None,) * len(SensorEvidence._fields))
        jump: tuple[Any, ...] = (None, None)
        crowd: tuple[Any, ...] = (None, None)
        flat: FlatRun | None = None
        flat_metric = None
        odd: tuple[str, float, PeerComparison] | None = None
        for metric, value in readings:
            before = self._runs.get((device, metric))
            if before is not None and time >= before.time:
                run = continued(before, time, value)
                if flat is None or run.flatness > flat.flatness:
                    flat, flat_metric = run, metric
                elapsed = (time - before.time) / SECOND
                if metric == "temperature_c" and elapsed <= JUMP_SECONDS:
                    jump = (abs(value - before.value), elapsed)
                if metric == "crowd_count" and device in self._crowds:
                    crowd = (value, self._crowds[device].p99_before(time))
            comparison = self._compare_with_peers(market, metric, device, time, value)
            if comparison is not None and (odd is None or comparison.worse_than(odd[2])):
                odd = (metric, value, comparison)
        flat_parts = (flat_metric, flat.value, flat.hours, flat.readings) if flat else (None,) * 4
        odd_parts = (odd[0], odd[1], *odd[2]) if odd else (None,) * 6
        return SensorEvidence(*jump, *flat_parts, *crowd, *odd_parts)

    def _compare_with_peers(
        self, market: str, metric: str, device: str, time: int, value: float
    ) -> PeerComparison | None:
        buckets = self._buckets.get((market, metric))
        return buckets.compare(device, time, value) if buckets else None

    def remember(self, row: Reading) -> None:
        market, device, time, readings = row
        if market is None or time is None:
            return
        for metric, value in readings:
            before = self._runs.get((device, metric))
            if before is None or time >= before.time:
                self._runs[device, metric] = (
                    continued(before, time, value) if before else FlatRun(time, value, time, 1)
                )
                if metric == "crowd_count":
                    self._crowds.setdefault(device, CrowdDays()).add(time, value)
            if (market, metric) not in self._buckets:
                self._buckets[market, metric] = Buckets(LIMITS[metric])
            self._buckets[market, metric].add(device, time, value)


def continued(before: FlatRun, time: int, value: float) -> FlatRun:
    """The run with one more reading; another value or a long pause begins a new run."""
    if value == before.value and time - before.time <= FLAT_PAUSE_SECONDS * SECOND:
        return FlatRun(time, value, before.since, before.readings + 1)
    return FlatRun(time, value, time, 1)
