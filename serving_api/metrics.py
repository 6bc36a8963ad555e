"""Counters of this process, as Prometheus reads them."""

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
