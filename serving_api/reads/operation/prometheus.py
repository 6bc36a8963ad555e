"""The Prometheus text: counters of this process; figures of stream and training, read at each scrape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan
from typing import Any

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

OUTCOMES = ("silver", "quarantine", "duplicates")
Values = Mapping[Any, float]  # tuple of the labels -> value
Kind = type[CounterMetricFamily] | type[GaugeMetricFamily]


def family(kind: Kind, name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    """A metric with a value for each combination of its labels."""
    metric = kind(name, text, labels=labels)
    for combination, value in values.items():
        metric.add_metric(combination, value)
    return metric


@dataclass(frozen=True)
class StreamCollector(Collector):
    """Balance, lag and open quarantine, from the tables and Kafka."""

    snapshots: Snapshots
    lag: KafkaLag
    balance: BalanceReader
    reviews: ReviewReader

    def collect(self) -> Iterator[Metric]:
        """Called at every scrape."""
        totals = total_of(self.balance.read()[1])
        events: Values = {("stream", outcome): totals[outcome] for outcome in OUTCOMES}
        events = {("bronze", "landed"): totals["rows_in"], **events}
        labels = ("stage", "outcome")
        yield family(CounterMetricFamily, "lumbung_events", "Events by stage and outcome", labels, events)
        yield GaugeMetricFamily(
            "lumbung_reconcile_difference",
            "Events in minus events accounted for",
            value=totals["difference"],
        )
        yield GaugeMetricFamily(
            "lumbung_snapshot_age_seconds",
            "Seconds since all served tables were last read without an error",
            value=self.snapshots.age_seconds,
        )
        waiting = self.snapshots.count("silver.quarantine") - self.reviews.read()[0].count
        yield GaugeMetricFamily(
            "lumbung_quarantine_open", "Rows of silver.quarantine without a decision", value=waiting
        )
        yield GaugeMetricFamily(
            "lumbung_kafka_lag",
            "Events in Kafka that no finished batch covers; NaN while Kafka does not answer",
            value=nan if self.lag.events is None else self.lag.events,
        )
        yield from mqtt_metrics()
        yield from collector_metrics()
        yield alert_deliveries()
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
    for name, text, counts in (
        ("lumbung_mqtt_messages", "MQTT messages by outcome", status["messages"]),
        ("lumbung_mqtt_connects", "MQTT connections by outcome", status["connects"]),
    ):
        values = {(outcome,): count for outcome, count in counts.items()}
        yield family(CounterMetricFamily, name, text, ["outcome"], values)
    yield GaugeMetricFamily("lumbung_mqtt_connections", "Open MQTT connections", value=status["connections"])


def task_restarts() -> Metric:
    """Endless work that failed and began again, in this process and in the gateway."""
    status = gateway_status()
    of_process = {"api": restarts, "gateway": status.get("task_restarts", {}) if status else {}}
    text = "Endless work that failed and began again, since its process started"
    values = {(name, task): count for name, tasks in of_process.items() for task, count in tasks.items()}
    return family(CounterMetricFamily, "lumbung_task_restarts", text, ["process", "task"], values)


def collector_metrics() -> Iterator[Metric]:
    """Polls and events of each polled source since its process started; none before the first start."""
    status = collectors_status()
    if status is None:
        return
    events: dict[Any, float] = {}
    polls: dict[Any, float] = {}
    success: dict[Any, float] = {}
    for name, source in status["sources"].items():
        events[name,] = source["events"]
        polls[name, "failed"] = source["failed_polls"]
        polls[name, "done"] = source["polls"] - source["failed_polls"]
        if source["last_success_at"]:
            success[name,] = datetime.fromisoformat(source["last_success_at"]).timestamp()
    labels = ["collector"]
    yield family(CounterMetricFamily, "lumbung_collector_events", "Events of polled sources", labels, events)
    yield family(
        CounterMetricFamily,
        "lumbung_collector_polls",
        "Polls of sources by outcome",
        [*labels, "outcome"],
        polls,
    )
    text = "Unix time of the newest poll that stored everything"
    yield family(GaugeMetricFamily, "lumbung_collector_last_success_seconds", text, labels, success)


def alert_deliveries() -> Metric:
    """Messages of alerts by channel and state, as the alert worker counts them."""
    status = alert_worker_status()
    counts = status["deliveries"] if status else {}
    values = {(channel, state): count for channel, own in counts.items() for state, count in own.items()}
    text = "Messages of alerts of the last month"
    return family(GaugeMetricFamily, "lumbung_alert_deliveries", text, ["channel", "state"], values)


def prometheus_text(
    snapshots: Snapshots, lag: KafkaLag, balance: BalanceReader, reviews: ReviewReader
) -> bytes:
    """Prometheus text format 0.0.4."""
    scraped = CollectorRegistry()
    scraped.register(StreamCollector(snapshots, lag, balance, reviews))
    return generate_latest(REGISTRY) + generate_latest(scraped)
