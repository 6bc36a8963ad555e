"""What Prometheus reads: the counters of this process, and figures of the stream and its tables taken when it asks."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving_api.balance import Balance, in_all
from serving_api.gold import Gold
from serving_api.metrics import REGISTRY
from serving_api.reviews import Reviews


class Stream(Collector):
    """Balance, lag and open quarantine, as the tables and the stream's own note say."""

    def __init__(self, gold: Gold, balance: Balance, reviews: Reviews) -> None:
        self._gold, self._balance, self._reviews = gold, balance, reviews

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        totals = in_all(self._balance.now()[1])
        events = CounterMetricFamily("lumbung_events", "Events by stage and outcome", labels=["stage", "outcome"])
        events.add_metric(["bronze", "landed"], totals["rows_in"])
        for outcome in ("silver", "quarantine", "duplicates"):
            events.add_metric(["stream", outcome], totals[outcome])
        yield events
        unaccounted = "Events in minus events accounted for"
        yield GaugeMetricFamily("lumbung_reconcile_difference", unaccounted, value=totals["difference"])
        rows, decided = self._gold.count("silver.quarantine"), self._reviews.now()[0].count
        undecided = "Rows of silver.quarantine that nobody has decided"
        yield GaugeMetricFamily("lumbung_quarantine_open", undecided, value=rows - decided)
        lag = self._gold.progress.get("lag_events")
        yield GaugeMetricFamily("lumbung_kafka_lag", "Events in Kafka that the stream has not taken up", value=lag or 0)


def text(gold: Gold, balance: Balance, reviews: Reviews) -> bytes:
    """Prometheus text format 0.0.4."""
    once = CollectorRegistry()
    once.register(Stream(gold, balance, reviews))
    return generate_latest(REGISTRY) + generate_latest(once)
