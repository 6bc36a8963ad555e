"""The open quarantine in numbers: by rule, by market, by day."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from statistics import median
from typing import Any

from lakehouse.times import utc_text
from serving_api.reads.dashboard.quarantine_subjects import market_name
from serving_api.reads.review.own_regions import IsOwn
from serving_api.reads.review.quarantine import COORDINATES, partitions, read_day
from serving_api.reads.review.reviews import ReviewIndex, key_of, state_of
from serving_api.reads.snapshots import Snapshots

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
