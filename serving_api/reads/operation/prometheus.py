"""The Prometheus text: counters of this process; figures of stream and training, read at each scrape."""

from collections.abc import Iterator
from datetime import datetime
from math import nan

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from conf.runtime.endless import restarts
from lakehouse.io.process_status import (
    alert_worker_status,
    collectors_status,
    gateway_status,
    training_faults,
)
from serving_api.http.metrics import REGISTRY
from serving_api.reads.operation.balance import BalanceReader, total_of
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.snapshots import Snapshots


class StreamCollector(Collector):
    """Balance, lag and open quarantine, from the tables and Kafka."""

    def __init__(
        self, snapshots: Snapshots, lag: KafkaLag, balance: BalanceReader, reviews: ReviewReader
    ) -> None:
        self._snapshots = snapshots
        self._lag = lag
        self._balance = balance
        self._reviews = reviews

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        totals = total_of(self._balance.read()[1])
        events = CounterMetricFamily(
            "lumbung_events", "Events by stage and outcome", labels=["stage", "outcome"]
        )
        events.add_metric(["bronze", "landed"], totals["rows_in"])
        for outcome in ("silver", "quarantine", "duplicates"):
            events.add_metric(["stream", outcome], totals[outcome])
        yield events
        yield GaugeMetricFamily(
            "lumbung_reconcile_difference",
            "Events in minus events accounted for",
            value=totals["difference"],
        )
        yield GaugeMetricFamily(
            "lumbung_snapshot_age_seconds",
            "Seconds since all served tables were last read without an error",
            value=self._snapshots.age_seconds,
        )
        rows = self._snapshots.count("silver.quarantine")
        decided = self._reviews.read()[0].count
        yield GaugeMetricFamily(
            "lumbung_quarantine_open", "Rows of silver.quarantine without a decision", value=rows - decided
        )
        waiting = self._lag.events
        yield GaugeMetricFamily(
            "lumbung_kafka_lag",
            "Events in Kafka that no finished batch covers; NaN while Kafka does not answer",
            value=nan if waiting is None else waiting,
        )
        yield from mqtt_metrics()
        yield from collector_metrics()
        yield _alert_deliveries()
        yield task_restarts()
        faults = training_faults()
        yield CounterMetricFamily(
            "lumbung_training_failed_rounds", "Training rounds that failed", value=faults["failed_rounds"]
        )
        yield CounterMetricFamily(
            "lumbung_training_dead_workers",
            "Worker processes of training that died",
            value=faults["dead_workers"],
        )


def mqtt_metrics() -> Iterator[Metric]:
    """Messages and connections of the MQTT gateway since its start; none before it has started once."""
    status = gateway_status()
    if status is None:
        return
    messages = CounterMetricFamily("lumbung_mqtt_messages", "MQTT messages by outcome", labels=["outcome"])
    for outcome, count in status["messages"].items():
        messages.add_metric([outcome], count)
    yield messages
    connects = CounterMetricFamily("lumbung_mqtt_connects", "MQTT connections by outcome", labels=["outcome"])
    for outcome, count in status["connects"].items():
        connects.add_metric([outcome], count)
    yield connects
    yield GaugeMetricFamily("lumbung_mqtt_connections", "Open MQTT connections", value=status["connections"])


def task_restarts() -> CounterMetricFamily:
    """Endless work that failed and began again, in this process and in the gateway."""
    family = CounterMetricFamily(
        "lumbung_task_restarts",
        "Endless work that failed and began again, since its process started",
        labels=["process", "task"],
    )
    status = gateway_status()
    gateway = status.get("task_restarts", {}) if status else {}
    for process, tasks in (("api", restarts), ("gateway", gateway)):
        for task, count in tasks.items():
            family.add_metric([process, task], count)
    return family


def collector_metrics() -> Iterator[Metric]:
    """Polls and events of each polled source since its process started; none before the first start."""
    status = collectors_status()
    if status is None:
        return
    events = CounterMetricFamily("lumbung_collector_events", "Events of polled sources", labels=["collector"])
    polls = CounterMetricFamily(
        "lumbung_collector_polls", "Polls of sources by outcome", labels=["collector", "outcome"]
    )
    success = GaugeMetricFamily(
        "lumbung_collector_last_success_seconds",
        "Unix time of the newest poll that stored everything",
        labels=["collector"],
    )
    for name, source in status["sources"].items():
        events.add_metric([name], source["events"])
        polls.add_metric([name, "failed"], source["failed_polls"])
        polls.add_metric([name, "done"], source["polls"] - source["failed_polls"])
        if source["last_success_at"]:
            success.add_metric([name], datetime.fromisoformat(source["last_success_at"]).timestamp())
    yield from (events, polls, success)


def _alert_deliveries() -> GaugeMetricFamily:
    """Messages of alerts by channel and state, as the alert worker counts them."""
    family = GaugeMetricFamily(
        "lumbung_alert_deliveries", "Messages of alerts of the last month", labels=["channel", "state"]
    )
    status = alert_worker_status()
    for channel, states in (status["deliveries"] if status else {}).items():
        for state, count in states.items():
            family.add_metric([channel, state], count)
    return family


def prometheus_text(
    snapshots: Snapshots, lag: KafkaLag, balance: BalanceReader, reviews: ReviewReader
) -> bytes:
    """Prometheus text format 0.0.4."""
    scraped = CollectorRegistry()
    scraped.register(StreamCollector(snapshots, lag, balance, reviews))
    return generate_latest(REGISTRY) + generate_latest(scraped)
