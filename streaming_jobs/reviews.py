"""Decisions about quarantined events -> what comes round again, and gold.reviews: the first decision of each counts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.arrow import arrow_schema
from lakehouse.contract import Rule, contracts
from lakehouse.event import lenient_payload
from lakehouse.quality import bit_of
from lakehouse.validation import Judgement
from streaming_jobs.delta_sink import open_table

if TYPE_CHECKING:
    from streaming_jobs.judging import KindResult

DECISION = "decision"
STATES = {"release": "released", "correct": "corrected", "reject": "rejected"}
RECORD = re.compile(r"([\w.-]{1,200}):(\d{1,9}):(\d{1,18})")
Target = tuple[str, int, int, int]  # topic, partition, offset, generation of the quarantined row


@dataclass(frozen=True)
class Reentry:
    """A quarantined event that a decision sends through the checks again. `record`: one row of bronze.events."""

    kind: str
    partition: int
    offset: int
    generation: int  # of the quarantined row
    became: str  # released, corrected or rechecked: a warning that its silver row bears
    released: bool  # doubts are let pass
    conflict: bool  # its event_id belongs to another payload, whatever is decided
    record: pa.Table


class Reviews:
    """Which quarantined rows have been decided. What it remembers is what gold.reviews holds."""

    def __init__(self) -> None:
        self._decided: set[Target] = set()

    def remember(self, before: datetime) -> None:
        """Take up the decisions of batches before that time."""
        dataset = open_table("gold.reviews").to_pyarrow_dataset()
        rows = dataset.to_table(columns=["target_record", "generation"], filter=pc.field("ingested_at") < before)
        self._decided = {target for row in rows.to_pylist() if (target := target_of(row))}

    def resolve(self, result: "KindResult", rules: Sequence[Rule], time: datetime) -> "list[Review]":
        """Settle the batch's decisions in their order; those about nothing, or about what was decided before, are refused.

        Returns those that count, each with the row that it is about.
        """
        rows = result.narrow.to_pylist()
        passed = np.flatnonzero(result.accepted)
        targets = {int(row): target_of(rows[row]) for row in passed}
        found = quarantined([target for target in targets.values() if target], [rows[row] for row in passed], time)
        refused = {name: np.zeros(len(rows), dtype=bool) for name in ("target_known", "already_decided")}
        counted = []
        for row, target in targets.items():
            if target is None or target not in found:
                refused["target_known"][row] = True
            elif target in self._decided:
                refused["already_decided"][row] = True
            else:
                self._decided.add(target)
                counted.append(Review(rows[row], found[target]))
        for name, flags in refused.items():
            result.mask = result.mask | np.where(flags, bit_of(tuple(rules), name), 0)
        messages = {rule.name: rule.message for rule in rules}
        result.judgement = Judgement(refused, lambda name, row: filled(messages[name], rows[row]))
        return counted


def filled(message: str, row: dict[str, Any]) -> str:
    """A rule's sentence with the row's values."""
    return re.sub(r"\{(\w+)\}", lambda found: str(row.get(found[1]))[:120], message)


def target_of(row: dict[str, Any]) -> Target | None:
    """What a decision is about; None when its record cannot be read."""
    parts = RECORD.fullmatch(row["target_record"] or "")
    return (parts[1], int(parts[2]), int(parts[3]), int(row["generation"] or 0)) if parts else None


def quarantined(targets: Sequence[Target], decisions: Sequence[dict[str, Any]], before: datetime) -> dict[Target, dict[str, Any]]:
    """Rows of silver.quarantine by target, as they stood before the batch; only the days that the decisions name are read."""
    if not targets:
        return {}
    days = {row["quarantined_at"].date() for row in decisions if row["quarantined_at"]}
    named = len(days) and all(row["quarantined_at"] for row in decisions)
    wanted = pc.field("offset").isin([target[2] for target in targets]) & (pc.field("quarantined_at") < before)
    if named:
        wanted &= pc.field("ingest_date").isin(sorted(days))
    rows = open_table("silver.quarantine").to_pyarrow_dataset().to_table(filter=wanted).to_pylist()
    place = ("topic", "partition", "offset", "generation")
    return {target: row for row in rows if (target := tuple(row[name] for name in place)) in set(targets)}


@dataclass(frozen=True)
class Review:
    """A decision that counts, and the quarantined row that it is about."""

    decision: dict[str, Any]  # row of the decision kind
    about: dict[str, Any]  # row of silver.quarantine

    @property
    def reentry(self) -> Reentry | None:
        """What goes round again; None when it is rejected."""
        verdict = self.decision["decision"]
        if verdict == "reject":
            return None
        recheck = bool(self.decision["recheck"]) and verdict == "release"
        return Reentry(
            kind=self.about["kind"],
            partition=self.about["partition"],
            offset=self.about["offset"],
            generation=self.about["generation"],
            became="rechecked" if recheck else STATES[verdict],
            released=verdict == "release" and not recheck,
            conflict=any(reason["rule"] == "id_conflict" for reason in self.about["reasons"]),
            record=self._record(),
        )

    def _record(self) -> pa.Table:
        """The event as a row of bronze.events in the decision's batch, its payload corrected where that was decided."""
        about, payload = self.about, self.about["payload"] or b""
        if self.decision["decision"] == "correct":
            fields = lenient_payload(payload)
            payload = orjson.dumps((fields if isinstance(fields, dict) else {}) | orjson.loads(self.decision["correction"]))
        made = {name: about[name] for name in ("topic", "partition", "offset", "event_id", "kind", "source", "received_at")}
        made |= {"content_type": about["content_type"], "value": payload, "kafka_timestamp": about["received_at"], "key": None}
        time = self.decision["ingested_at"]
        made |= {"other_headers": None, "ingested_at": time, "ingest_date": time.date()}
        return pa.Table.from_pylist([made], schema=arrow_schema(contracts()["bronze.events"]))


def review_rows(reviews: Iterable[Review], results: Sequence["KindResult"]) -> list[dict[str, Any]]:
    """Rows of gold.reviews: what was decided, and what became of it."""
    landed = {}
    for result in results:
        for row, entry in result.reentries.items():
            landed[(result.kind, entry.partition, entry.offset)] = bool(result.accepted[row])
    made = []
    for review in reviews:
        decision, about = review.decision, review.about
        again = landed.get((about["kind"], about["partition"], about["offset"]))
        made.append(
            {
                "event_id": about["event_id"],
                "kind": about["kind"],
                "target_record": decision["target_record"],
                "generation": about["generation"],
                "decision_id": decision["event_id"],
                "decision": decision["decision"],
                "reason": decision["reason"],
                "decided_by": decision["decided_by"],
                "decided_at": decision["event_time"],
                "state": STATES[decision["decision"]],
                "outcome": "closed" if again is None else "silver" if again else "quarantine",
                "ingested_at": decision["ingested_at"],
            }
        )
    return made
