"""Counters of this process, as Prometheus reads them."""

from collections import deque

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()
HTTP_SECONDS = Histogram(
    "lumbung_http_request_seconds",
    "Seconds from a request's arrival to its answer",
    ["method", "route", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
END_TO_END_SECONDS = Histogram(
    "lumbung_end_to_end_seconds",
    "Seconds from the receipt of a batch's first event at its door to the batch being visible here",
    buckets=(0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
DOOR_EVENTS = Counter("lumbung_door_events", "Events at the HTTP door", ["outcome"], registry=REGISTRY)
PREDICTIONS = Counter("lumbung_predictions", "Price predictions answered", ["cached"], registry=REGISTRY)
RECENT_REQUESTS = 5000  # the newest, whose percentiles are told


class Requests:
    """How many requests this process has answered, and how long the newest of them took."""

    def __init__(self) -> None:
        self.total = 0
        self._took: deque[float] = deque(maxlen=RECENT_REQUESTS)

    def add(self, seconds: float) -> None:
        """One more."""
        self.total += 1
        self._took.append(seconds)

    def latency_ms(self) -> dict[str, float]:
        """p50, p95 and p99 of the newest, milliseconds; zeros before the first."""
        took = sorted(self._took) or [0.0]
        return {f"p{part}": round(took[min(len(took) - 1, len(took) * part // 100)] * 1000, 3) for part in (50, 95, 99)}


REQUESTS = Requests()


def predictions() -> dict[str, int]:
    """Predictions answered: `true` from memory, `false` made anew."""
    samples = [sample for family in PREDICTIONS.collect() for sample in family.samples if sample.name.endswith("_total")]
    return {"true": 0, "false": 0} | {sample.labels["cached"]: int(sample.value) for sample in samples}
