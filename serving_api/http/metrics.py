"""Counters of this process, as Prometheus reads them."""

import time
from collections import deque

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
HTTP_SECONDS = Histogram(
    "lumbung_http_request_seconds",
    "Seconds from the arrival of a request to its response",
    ["method", "route", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
END_TO_END_SECONDS = Histogram(
    "lumbung_end_to_end_seconds",
    "Seconds from the receipt of a batch's first event to the batch being visible here",
    buckets=(0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
REFRESH_FAILURES = Counter(
    "lumbung_snapshot_refresh_failures",
    "Rounds of refreshes that could not read everything",
    registry=REGISTRY,
)
DOOR_EVENTS = Counter("lumbung_door_events", "Events received over HTTP", ["outcome"], registry=REGISTRY)
PREDICTIONS = Counter("lumbung_predictions", "Predictions returned", ["cached"], registry=REGISTRY)
SOCKETS = Gauge("lumbung_ws_clients", "Open WebSockets", registry=REGISTRY)
SOCKETS_DROPPED = Counter(
    "lumbung_ws_dropped", "WebSockets that were closed because their client did not read", registry=REGISTRY
)
RECENT_REQUESTS = 5000  # percentiles are of the newest
_STARTED = time.monotonic()


class RequestStatistics:
    """Number of requests that this process has served, and the durations of the newest."""

    def __init__(self) -> None:
        self.total = 0
        self._durations: deque[float] = deque(maxlen=RECENT_REQUESTS)

    def add(self, seconds: float) -> None:
        """Count one request."""
        self.total += 1
        self._durations.append(seconds)

    def latency_ms(self) -> dict[str, float]:
        """p50, p95 and p99 of the newest requests, milliseconds; zeros before the first."""
        durations = sorted(self._durations) or [0.0]
        return {
            f"p{part}": round(durations[min(len(durations) - 1, len(durations) * part // 100)] * 1000, 3)
            for part in (50, 95, 99)
        }


REQUESTS = RequestStatistics()


def uptime_seconds() -> float:
    """Seconds since this process started to serve."""
    return round(time.monotonic() - _STARTED, 1)


def predictions() -> dict[str, int]:
    """Number of predictions: `true` from the cache, `false` computed."""
    name = "lumbung_predictions_total"
    return {
        cached: int(REGISTRY.get_sample_value(name, {"cached": cached}) or 0) for cached in ("true", "false")
    }
