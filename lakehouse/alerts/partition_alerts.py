"""Alerts of events in partitions where the events that they are compared with are not."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from lakehouse.alerts.messages import texts_of
from lakehouse.alerts.price_rules import rule_version
from lakehouse.alerts.rows import Row, active_since, alert_id
from lakehouse.event import TOPIC_PREFIX

RULES = {"key": "split_series", "event_id": "repeated_id"}  # by the fault in gold.partition_faults
QUIET = timedelta(days=7)  # without a further event with the fault, an alert is over


def partition_alerts(faults: Iterable[Mapping[str, Any]], newest: datetime) -> list[Row]:
    """One alert a kind and fault, active at once. `faults`: rows of gold.partition_faults.

    `newest`: time of the newest batch. Keys and ids are not in the message: those of devices are not public.
    """
    return [_alert(fault, newest) for fault in faults]


def _alert(fault: Mapping[str, Any], newest: datetime) -> Row:
    rule = RULES[fault["fault"]]
    since = fault["first_seen_at"]
    end = fault["last_seen_at"] + QUIET
    texts = {
        "events": str(fault["events"]),
        "kind": fault["kind"],
        "partition": str(fault["partition"]),
        "other": str(fault["other_partition"]),
        "since": since,
    }
    closed = {"state": "cleared", "updated_at": end, "closed_at": end}
    return {
        "alert_id": alert_id(rule, fault["kind"], since),
        "rule": rule,
        "rule_version": rule_version(rule, {}),
        "source_id": TOPIC_PREFIX + fault["kind"],
        "level": "waspada",
        "tier": 1,
        **texts_of(rule, texts),
        **active_since(since),
        "updated_at": fault["last_seen_at"],
        **(closed if newest >= end else {}),
    }
