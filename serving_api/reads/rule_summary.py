"""How often the rules of a kind were violated in 30 days: over all events, or over those of a commodity."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from string import Template
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.contracts.contract import kinds
from lakehouse.reference import commodity_aliases, matching_key
from lakehouse.times import utc_text
from lakehouse.translation import PLACEHOLDER, Language
from serving_api.http.cursors import TimeRange
from serving_api.reads.review.quarantine import days_within, read_day
from serving_api.reads.snapshots import Snapshot, newest_of

DAYS = 30
TIME = pa.timestamp("us", "UTC")
Summary = dict[str, Any]


def summary_of_kind(hours: Snapshot, kind: str) -> Summary:
    """Counts over all events of a kind, of the 30 days that end with the newest hour; rules by violations."""
    rows = hours.read(pc.field("kind") == kind, ["hour", "rule", "evaluated", "violated"])
    newest: datetime | None = pc.max(rows["hour"]).as_py()
    if newest is None:
        return summary(kind, None, None, 0, 0, {})
    start = newest - timedelta(days=DAYS)
    recent = rows.filter(pc.field("hour") >= pa.scalar(start, TIME))
    sums = recent.group_by("rule").aggregate([("evaluated", "sum"), ("violated", "sum")]).to_pylist()
    violated = {row["rule"]: row["violated_sum"] for row in sums}
    events = max((row["evaluated_sum"] for row in sums), default=0)
    return summary(kind, start, newest + timedelta(hours=1), events, None, violated)


def summary_of_commodity(prices: Snapshot, quarantine: Snapshot, ids: Collection[str]) -> Summary:
    """Counts over the prices of these commodities, received in the 30 days that end with the newest price.

    A price that was released or corrected counts among the accepted and among the quarantined.
    """
    newest = newest_of(prices, "ingested_at")
    if not isinstance(newest, datetime):  # an empty table
        return summary("price", None, None, 0, 0, {})
    start = newest - timedelta(days=DAYS)
    accepted = prices.read(
        pc.field("commodity").isin(sorted(ids)) & (pc.field("ingested_at") >= pa.scalar(start, TIME)),
        ["_warnings"],
    )
    violated = Counter(pc.list_flatten(accepted["_warnings"]).to_pylist())
    held = 0
    for day in days_within(quarantine, TimeRange(start, None), None):
        of_kind = (pc.field("kind") == "price") & (pc.field("quarantined_at") >= pa.scalar(start, TIME))
        for row in read_day(quarantine, day, of_kind, ["commodity", "reasons"]).to_pylist():
            if commodity_aliases().get(matching_key(row["commodity"] or "")) in ids:
                held += 1
                violated.update(reason["rule"] for reason in row["reasons"])
    return summary("price", start, newest, accepted.num_rows + held, held, violated)


def summary(
    kind: str,
    start: datetime | None,
    end: datetime | None,
    events: int,
    quarantined: int | None,
    violated: dict[str, int],
) -> Summary:
    """The counts with every rule in force, those that were violated most often first."""
    rules = [
        {"rule": rule.name, "severity": rule.severity, "violated": violated.get(rule.name, 0)}
        for rule in kinds()[kind].rules
    ]
    return {
        "kind": kind,
        "from": start and utc_text(start),
        "to": end and utc_text(end),
        "events": events,
        "quarantined": quarantined,
        "items": sorted(rules, key=lambda row: -row["violated"]),
    }


def with_sentences(counted: Summary, language: Language) -> Summary:
    """The counts with the sentence of each rule."""
    sentences = sentences_of(counted["kind"], language)
    return counted | {"items": [row | {"sentence": sentences[row["rule"]]} for row in counted["items"]]}


def sentences_of(kind: str, language: Language) -> dict[str, str]:
    """Rule of a kind -> what a violation is: its message, with an ellipsis for each value of an event."""
    limits = settings().rule_values()
    return {
        rule.name: PLACEHOLDER.sub(
            "…", Template((language == "id" and rule.message_id) or rule.message).safe_substitute(limits)
        )
        for rule in kinds()[kind].rules
    }


def all_sentences(language: Language) -> dict[str, str]:
    """Rule of any kind -> what a violation is. Kinds share the message of a rule of one name, or nearly."""
    return {rule: text for kind in kinds() for rule, text in sentences_of(kind, language).items()}
