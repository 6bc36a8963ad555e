"""What Prometheus reads: counters of this process, and figures of the stream and its tables taken when it asks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from serving_api.gold import Gold

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


class Stream(Collector):
    """Balance, lag and open quarantine, as the tables and the stream's own note say."""

    def __init__(self, gold: "Gold") -> None:
        self._gold = gold

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        names = ["rows_in", "silver", "quarantine", "duplicates"]
        balance = self._gold.whole("gold.balance", names)
        totals = {name: pc.sum(balance[name]).as_py() or 0 for name in names}
        events = CounterMetricFamily("lumbung_events", "Events by stage and outcome", labels=["stage", "outcome"])
        events.add_metric(["bronze", "landed"], totals["rows_in"])
        for outcome in ("silver", "quarantine", "duplicates"):
            events.add_metric(["stream", outcome], totals[outcome])
        yield events
        difference = totals["rows_in"] - totals["silver"] - totals["quarantine"] - totals["duplicates"]
        yield GaugeMetricFamily("lumbung_reconcile_difference", "Events in minus events accounted for", value=difference)
        waiting = GaugeMetricFamily(
            "lumbung_quarantine_open", "Rows of silver.quarantine", value=self._gold.count("silver.quarantine")
        )
        yield waiting
        lag = self._gold.progress.get("lag_events")
        yield GaugeMetricFamily("lumbung_kafka_lag", "Events in Kafka that the stream has not taken up", value=lag or 0)


def text(gold: "Gold") -> bytes:
    """Prometheus text format 0.0.4."""
    once = CollectorRegistry()
    once.register(Stream(gold))
    return generate_latest(REGISTRY) + generate_latest(once)
