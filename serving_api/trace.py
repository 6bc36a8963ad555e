"""What became of one event: its arrivals in bronze.events, newest first, and where each of them stands.

Bound: of bronze only ids are read, the newest 100,000 records first, then four times as many each time, up to `api.trace_events`;
an id that came earlier is not found. The outcome then costs the files of the batches in which it arrived, not the tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from conf.settings import settings
from lakehouse.contract import kinds
from serving_api.gold import Gold, Snapshot
from serving_api.newest import slices
from serving_api.quarantined import PLACE, read_day
from serving_api.reviews import Index, Reviews, record_of

FIRST_EVENTS, GROWTH = 100_000, 4
TOLD = timedelta(milliseconds=1)  # files tell their newest time cut to milliseconds
ARRIVAL = ("kind", *PLACE, "source", "received_at", "ingested_at")
SEVERITY = ("pending", "quarantine", "duplicate", "silver")  # of an event of two kinds the first of these is told


@dataclass(frozen=True)
class Traced:
    """What became of the newest arrival of one kind."""

    status: str
    table: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """All kinds of an event together."""

    status: str
    kinds: list[str]
    table: str | None
    received_at: datetime
    warnings: list[str]
    sources: frozenset[str]


class Trace:
    """One look-up; the snapshots it has read are its provenance."""

    def __init__(self, gold: Gold, reviews: Reviews) -> None:
        self._gold, self._reviews = gold, reviews
        self.read: dict[str, Snapshot] = {}
        self.searched_events = 0

    def find(self, event_id: str) -> Found | None:
        """None when no arrival is found. Blocks; call it from a thread."""
        seen: list[dict[str, Any]] = []
        settled: dict[str, Traced] = {}
        for arrivals in self._arrivals(event_id):
            seen += arrivals
            for arrival in arrivals:
                newest = settled.get(arrival["kind"])
                if newest is None:
                    settled[arrival["kind"]] = self._became(event_id, arrival)
                elif newest.status == "duplicate" and newest.table is None:  # the first of its repetitions is looked for
                    settled[arrival["kind"]] = replace(self._became(event_id, arrival), status="duplicate")
            if seen and all(told.table or told.status == "pending" for told in settled.values()):
                break
        if not seen:
            return None
        worst = min(settled.values(), key=lambda told: SEVERITY.index(told.status))
        warnings = list(dict.fromkeys(name for told in settled.values() for name in told.warnings))
        sources = frozenset(arrival["source"] for arrival in seen)
        return Found(worst.status, sorted(settled), worst.table, seen[0]["received_at"], warnings, sources)

    def _now(self, table: str) -> Snapshot:
        self.read[table] = self._gold.now(table)
        return self.read[table]

    def _arrivals(self, event_id: str) -> Iterator[list[dict[str, Any]]]:
        """Records of bronze with this id, newest first, slice of time by slice of time."""
        bronze = self._now("bronze.events")
        if bronze.delta is None:
            return
        dataset = bronze.delta.to_pyarrow_dataset()
        wanted = pc.field("event_id") == event_id
        for part in slices(bronze.delta.get_add_actions(flatten=True), "ingested_at", FIRST_EVENTS, GROWTH):
            if self.searched_events and self.searched_events + part.rows > settings().api.trace_events:
                return
            self.searched_events += part.rows
            rows = dataset.to_table(columns=list(ARRIVAL), filter=wanted & part.holds("ingested_at")).to_pylist()
            yield sorted(rows, key=lambda row: (row["ingested_at"], row["received_at"], row["offset"]), reverse=True)

    def _became(self, event_id: str, arrival: dict[str, Any]) -> Traced:
        """Where one arrival stands. A batch is done in every table once gold.balance counts it, so that is looked at first."""
        counted = self._now("gold.balance").newest
        if counted is None or counted <= arrival["ingested_at"] - TOLD:
            return Traced("pending")
        reviews: Index
        self.read["gold.reviews"], reviews = self._reviews.now()
        if not self._is_quarantined(event_id, arrival):
            return self._landed(event_id, arrival["kind"], arrival["ingested_at"], record_of(arrival)) or Traced("duplicate")
        generation = 0
        while (review := reviews.get((record_of(arrival), generation))) and review.outcome == "quarantine":
            generation += 1
        if review is None or review.outcome != "silver":
            return Traced("quarantine", "silver.quarantine")
        return self._landed(event_id, arrival["kind"], review.ingested_at) or Traced("silver", kinds()[arrival["kind"]].table)

    def _is_quarantined(self, event_id: str, arrival: dict[str, Any]) -> bool:
        quarantine = self._now("silver.quarantine")
        if quarantine.delta is None:
            return False
        wanted = (pc.field("event_id") == event_id) & (pc.field("quarantined_at") == arrival["ingested_at"])
        places = read_day(quarantine, f"{arrival['ingested_at']:%Y-%m-%d}", wanted, PLACE).to_pylist()
        return record_of(arrival) in {record_of(place) for place in places}

    def _landed(self, event_id: str, kind: str, landed_at: datetime, record: str | None = None) -> Traced | None:
        """In silver, by the batch that put it there: files of other batches are skipped by their statistics."""
        if kind not in kinds():
            return None
        table = kinds()[kind].table
        silver = self._now(table)
        if silver.delta is None:
            return None
        wanted = (pc.field("event_id") == event_id) & (pc.field("ingested_at") == landed_at)
        rows = silver.delta.to_pyarrow_dataset().to_table(columns=[*PLACE, "_warnings"], filter=wanted).to_pylist()
        mine = [row for row in rows if record in (None, record_of(row))]
        if not mine:
            return None
        return Traced("silver", table, list(dict.fromkeys(name for row in mine for name in row["_warnings"] or ())))
