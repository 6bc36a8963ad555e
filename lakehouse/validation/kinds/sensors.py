"""Readings compared with earlier ones of the device and with the other devices of the market."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from lakehouse.validation.in_order import SECOND, InOrder, listed
from lakehouse.validation.kinds.crowd_profile import CROWD_DAYS, CrowdDays
from lakehouse.validation.kinds.device_peers import LIMITS, Buckets, PeerComparison

# A reading is compared with the one before if that is not older.
JUMP_SECONDS = 300
# Among several metrics of an event, one that is flat by the limits of the rule `flat_line` is the evidence.
FLAT_HOURS = 6
FLAT_READINGS = 60
# A device that sent nothing for longer was not flat. So a flat run stays within 15 days.
FLAT_PAUSE_SECONDS = 6 * 3600
HOUR = 3600 * SECOND

# (metric, value) of one event.
Readings = list[tuple[str, float]]


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


class Sensors(InOrder[Reading, SensorEvidence]):
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

    def rows(self, table: pa.Table) -> Iterable[Reading]:
        """One row an event if there is a column `readings` (the stream), else one row a reading (silver)."""
        market, device, time = (listed(table[name]) for name in self.reads[:3])
        readings: list[Readings]
        if "readings" in table.column_names:
            given = table["readings"].to_pylist()
            readings = [[(reading["metric"], reading["value"]) for reading in event or ()] for event in given]
        else:
            readings = [[pair] for pair in zip(listed(table["metric"]), listed(table["value"]), strict=True)]
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
