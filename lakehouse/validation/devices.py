"""Devices of one market against each other, in buckets of five minutes."""

from collections.abc import Callable
from math import log2
from statistics import median
from typing import NamedTuple

from lakehouse.validation.in_order import SECOND

BUCKET = 300 * SECOND
KEPT_BUCKETS = 12  # an hour: an event later than that is not compared
FEW_PEOPLE = 20

Distance = Callable[[float, float], float]  # of two readings, in limits: more than 1 is apart


def crowd_distance(one: float, other: float) -> float:
    """1 for twice as many; counts up to 20 people are not compared."""
    return abs(log2(one / other)) if one > FEW_PEOPLE and other > FEW_PEOPLE else 0.0


LIMITS: dict[str, Distance] = {
    "temperature_c": lambda one, other: abs(one - other) / 3,
    "humidity_pct": lambda one, other: abs(one - other) / 10,
    "crowd_count": crowd_distance,
}


class Standing(NamedTuple):
    """Where a reading stands among the other devices."""

    median: float  # of all devices, this one included; with one other device, its reading
    peers: int
    share: float  # distance from it, in limits
    beyond_before: bool

    def worse_than(self, other: "Standing") -> bool:
        """Nearer to being refused."""
        return (self.peers >= 2 and self.share > 1, self.share) > (other.peers >= 2 and other.share > 1, other.share)


class Buckets:
    """Newest reading of each device per bucket, of one market and metric, for an hour of event time.

    A reading is held against the bucket before its own, which is closed: so it does not matter who of a bucket is heard first,
    and of two devices that disagree both are told so. `beyond_before` guards against what all devices are about to see, a rain
    front or an opened gate: it tells whether the device stood apart already while the others spoke.
    """

    def __init__(self, distance: Distance) -> None:
        self._distance = distance
        self._newest = 0
        self._kept: dict[int, dict[str, tuple[int, float]]] = {}

    def add(self, device: str, time: int, value: float) -> None:
        """One reading; of a device's readings within a bucket the newest stays. `time` in microseconds since 1970."""
        bucket = time // BUCKET
        if bucket > self._newest:
            self._newest = bucket
            self._kept = {old: devices for old, devices in self._kept.items() if old > bucket - KEPT_BUCKETS}
        if bucket <= self._newest - KEPT_BUCKETS:
            return
        devices = self._kept.setdefault(bucket, {})
        if device not in devices or time >= devices[device][0]:
            devices[device] = (time, value)

    def standing(self, device: str, time: int, value: float) -> Standing | None:
        """None when no other device was heard in the bucket before."""
        devices = self._kept.get(time // BUCKET - 1)
        if not devices or (len(devices) == 1 and device in devices):
            return None
        others = [reading for name, (_, reading) in devices.items() if name != device]
        own = devices.get(device)
        middle = among(others, value)
        beyond_before = own is None or self._distance(own[1], among(others, own[1])) > 1
        return Standing(middle, len(others), self._distance(value, middle), beyond_before)


def among(others: list[float], value: float) -> float:
    """What a reading is measured against: the median of all, or the other one of two."""
    return others[0] if len(others) == 1 else median([*others, value])
