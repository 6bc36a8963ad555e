"""Quarantined events with their reasons, for operators."""

import base64
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from statistics import median
from typing import Any

import orjson
from fastapi import Response

from lakehouse.times import utc_text
from serving_api.http.dependencies import CurrentOperator
from serving_api.http.messages import message
from serving_api.http.path_parameters import EventIdInPath
from serving_api.http.problems import Problem, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.dashboard.quarantine_subjects import evidence_of, market_name, subject_of
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import CurrentResponses
from serving_api.reads.review.decisions import decisions_on
from serving_api.reads.review.own_regions import IsOwn, own_rows
from serving_api.reads.review.quarantine import (
    COORDINATES,
    in_language,
    listed_item,
    partitions,
    read_day,
    rows_by_id,
)
from serving_api.reads.review.reviews import ReviewIndex, ReviewReader, key_of, state_of
from serving_api.reads.rule_summary import all_sentences
from serving_api.reads.snapshots import Snapshots
from serving_api.schemas.quarantine import QuarantineItem, QuarantineSummary
from serving_api.writes.decisions import Decisions

router = Router(prefix="/api/v1/quarantine", tags=["quarantine"])
LISTED_DECISIONS = 100
SHOWN_DAYS = 30
SHOWN_MARKETS = 20
SECONDS_PER_HOUR = 3600
COLUMNS = (*COORDINATES, "generation", "state", "market_id", "quarantined_at", "reasons")


class QuarantineCounts:
    """Counts of rows as they are added."""

    def __init__(self) -> None:
        self.open = 0
        self.rules: Counter[str] = Counter()
        self.oldest: dict[str, datetime] = {}
        self.markets: Counter[str] = Counter()
        self.arrived: Counter[date] = Counter()
        self.decided: Counter[date] = Counter()
        self.hours: list[float] = []

    def add(self, row: dict[str, Any], reviews: ReviewIndex) -> None:
        """Count one row."""
        at: datetime = row["quarantined_at"]
        self.arrived[at.date()] += 1
        review = reviews.get(key_of(row))
        if review is not None:
            self.decided[review.ingested_at.date()] += 1
            self.hours.append((review.ingested_at - at).total_seconds() / SECONDS_PER_HOUR)
        if state_of(row, reviews) != "open":
            return
        self.open += 1
        if row["market_id"] is not None:
            self.markets[row["market_id"]] += 1
        for rule in {reason["rule"] for reason in row["reasons"] if reason["severity"] == "error"}:
            self.rules[rule] += 1
            self.oldest[rule] = min(at, self.oldest.get(rule, at))

    def as_item(self, name_of: Callable[[str], str | None]) -> dict[str, Any]:
        """The summary; most frequent first, days newest first. `name_of`: market id -> its name."""
        days = sorted(self.arrived.keys() | self.decided.keys(), reverse=True)[:SHOWN_DAYS]
        return {
            "open": self.open,
            "by_rule": [
                {"rule": rule, "open": count, "oldest": utc_text(self.oldest[rule])}
                for rule, count in self.rules.most_common()
            ],
            "by_market": [
                {"market_id": market, "market_name": name_of(market), "open": count}
                for market, count in self.markets.most_common(SHOWN_MARKETS)
            ],
            "by_day": [
                {"date": day.isoformat(), "arrived": self.arrived[day], "decided": self.decided[day]}
                for day in days
            ],
            "median_hours": round(median(self.hours), 2) if self.hours else None,
        }


def read_summary(snapshots: Snapshots, reviews: ReviewIndex, is_own: IsOwn | None = None) -> dict[str, Any]:
    """The summary of the quarantined rows. Blocks while they are read, a day at a time.

    `is_own`: which rows count; None: all.
    """
    snapshot = snapshots["silver.quarantine"]
    counts = QuarantineCounts()
    columns = (*COLUMNS, *(("payload",) if is_own else ()))
    for day in partitions(snapshot):
        for row in read_day(snapshot, day, None, columns).to_pylist():
            if is_own is None or is_own(row):
                counts.add(row, reviews)
    return counts.as_item(lambda market_id: market_name(market_id, snapshots))


@router.get("/summary", response_model=QuarantineSummary, summary="The quarantine in numbers")
def get_quarantine_summary(
    caller: CurrentOperator,
    reviews: Shared[ReviewReader],
    responses: CurrentResponses,
) -> Response:
    """Open rows by rule and market, and what arrived and was decided on each UTC day.

    An operator who is limited to regions gets the numbers of their rows.
    """
    snapshots = responses.snapshots
    is_own = own_rows(caller, snapshots)
    reviewed, index = reviews.read()
    snapshot = snapshots["silver.quarantine"]
    key = ("summary", reviewed.version, caller.regions if is_own else ())
    item = snapshot.cached(key, lambda: read_summary(snapshots, index, is_own))
    sentences = all_sentences(responses.language)
    by_rule = [row | {"sentence": sentences.get(row["rule"], row["rule"])} for row in item["by_rule"]]
    summary = item | {"by_rule": by_rule}  # the item is cached
    return responses.personal([snapshot, reviewed], summary, rule_set=current_rule_set())


@router.get(
    "/{event_id}",
    response_model=QuarantineItem,
    summary="A quarantined event with its exact bytes",
)
def get_quarantined_event(
    event_id: EventIdInPath,
    caller: CurrentOperator,
    reviews: Shared[ReviewReader],
    decisions: Shared[Decisions],
    responses: CurrentResponses,
) -> Response:
    """The event as it was received: `payload` when its bytes are UTF-8, else `payload_base64`.

    Of an id that was quarantined more than once, the newest open row.
    """
    snapshots = responses.snapshots
    is_own = own_rows(caller, snapshots)
    reviewed, index = reviews.read()
    snapshot = snapshots.open_newest("silver.quarantine")
    row = rows_by_id(snapshot, index, [event_id]).get(event_id)
    if row is None or (is_own is not None and not is_own(row)):
        raise Problem("not-found", reason=message("no_quarantined_event", name=event_id))
    decided, stored = decisions_on(event_id, snapshots, index, decisions.pending(event_id))
    item = in_language(listed_item(row, index), language_of(responses.request)) | {
        **as_text(row["payload"] or b""),
        "kafka": {name: row[name] for name in COORDINATES},
        "subject": subject_of(row, snapshots),
        "evidence": evidence_of(row, snapshots),
        "suggestion": orjson.loads(row["suggestion"]) if row["suggestion"] else None,
        "decisions": [entry for _, entry in decided[:LISTED_DECISIONS]],
    }
    return responses.personal([snapshot, reviewed, stored], item, rule_set=row["rule_set"])


def as_text(body: bytes) -> dict[str, Any]:
    """The exact bytes: as text when they are UTF-8, else in base64."""
    try:
        return {"payload": body.decode(), "payload_base64": None}
    except UnicodeDecodeError:
        return {"payload": None, "payload_base64": base64.b64encode(body).decode()}
