"""Devices of one market compared with each other, in buckets of five minutes."""

from collections.abc import Callable
from math import log2
from statistics import median
from typing import NamedTuple

from lakehouse.validation.in_order import SECOND

BUCKET = 300 * SECOND
# An hour: an event later than that is not compared.
KEPT_BUCKETS = 12
FEW_PEOPLE = 20

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
