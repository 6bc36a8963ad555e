"""Decisions about quarantined events: which count, what they resubmit, and the rows of gold.reviews."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze.events import JUDGED
from lakehouse.contracts.contract import Rule, kinds
from lakehouse.contracts.history_rules import compile_checks, history_rules
from lakehouse.contracts.rule_functions import row_violation
from lakehouse.contracts.rule_masks import bit_of
from lakehouse.contracts.rule_messages import render_message
from lakehouse.event import lenient_payload
from lakehouse.io.checkpoint import partition_counts
from lakehouse.io.delta import open_table
from lakehouse.validation import Judgement
from streaming_jobs.batch.kind_result import KindResult, Resubmission
from streaming_jobs.batch.place import Place, place_of, place_of_series

DECISION = "decision"
STATES = {"release": "released", "correct": "corrected", "reject": "rejected"}
RECORD = re.compile(r"([\w.-]{1,200}):(\d{1,9}):(\d{1,18})")
# Names that the checks of the decision kind's history rules read.
EVIDENCE = ("target_found", "decided_before")
COPIED = ("topic", "partition", "offset", "event_id", "kind", "source", "received_at", "content_type")
TAKEN = ("target_record", "decision", "reason", "decided_by", "ingested_at")  # by a row of gold.reviews
Target = tuple[str, int, int, int]  # topic, partition, offset, generation of the quarantined row


class DecisionResolver:
    """Settles decisions: the first decision about a quarantined row counts.

    Its state is a function of gold.reviews.
    """

    def __init__(self, kinds: Collection[str] = tuple(kinds())) -> None:
        """`kinds`: of the events that are judged; decisions about others change nothing."""
        self._kinds = kinds
        self._decided: set[Target] = set()

    def load(self, before: datetime) -> None:
        """Read the decisions of batches before that time."""
        dataset = open_table("gold.reviews").to_pyarrow_dataset()
        rows = dataset.to_table(
            columns=["target_record", "generation"], filter=pc.field("ingested_at") < before
        )
        self._decided = {target for row in rows.to_pylist() if (target := target_of(row))}

    def resolve(self, result: KindResult, rules: Sequence[Rule], time: datetime) -> "list[AppliedDecision]":
        """The decisions of a batch that count, in their order, each with the row that it is about.

        Marks in `result` the decisions about an unknown row or about one that was decided before as refused.
        """
        rows = result.events.to_pylist()
        passed = np.flatnonzero(result.accepted)
        targets = {int(row): target_of(rows[row]) for row in passed}
        quarantined = quarantined_rows(
            [target for target in targets.values() if target], [rows[row] for row in passed], time
        )
        checks = {rule.name: rule for rule in history_rules(DECISION, {})}
        violations = compile_checks("silver.decisions", checks.values(), row_violation, EVIDENCE)
        refused = {name: np.zeros(len(rows), dtype=bool) for name in checks}
        applied = []
        for row, target in targets.items():
            about = quarantined.get(target) if target else None
            evidence = (
                about is not None,
                about is not None and target in self._decided,
            )
            violated = [name for name, is_violated in violations.items() if is_violated(evidence)]
            for name in violated:
                refused[name][row] = True
            if target and about and not any(checks[name].severity == "error" for name in violated):
                self._decided.add(target)
                if about["kind"] in self._kinds:
                    applied.append(AppliedDecision(rows[row], about))
        for name, flags in refused.items():
            result.mask = result.mask | np.where(flags, bit_of(tuple(rules), name), 0)
        messages = {rule.name: rule.message for rule in rules}
        result.judgement = Judgement(
            {**(result.judgement.violated if result.judgement else {}), **refused},
            lambda name, row: render_message(messages[name], rows[row]),
        )
        return applied


def target_of(row: dict[str, Any]) -> Target | None:
    """The quarantined row that a decision is about; None when its `target_record` cannot be read."""
    parts = RECORD.fullmatch(row["target_record"] or "")
    return (parts[1], int(parts[2]), int(parts[3]), int(row["generation"] or 0)) if parts else None


def quarantined_rows(
    targets: Sequence[Target], decisions: Sequence[dict[str, Any]], before: datetime
) -> dict[Target, dict[str, Any]]:
    """Rows of silver.quarantine by target, as they were before the batch.

    Only the days in the decisions' `quarantined_at` are read, if all of them give one.
    """
    if not targets:
        return {}
    days = {row["quarantined_at"].date() for row in decisions if row["quarantined_at"]}
    wanted = pc.field("offset").isin([target[2] for target in targets]) & (
        pc.field("quarantined_at") < before
    )
    if days and all(row["quarantined_at"] for row in decisions):
        wanted &= pc.field("ingest_date").isin(sorted(days))
    rows = open_table("silver.quarantine").to_pyarrow_dataset().to_table(filter=wanted).to_pylist()
    place = ("topic", "partition", "offset", "generation")
    return {target: row for row in rows if (target := tuple(row[name] for name in place)) in set(targets)}


@dataclass(frozen=True)
class AppliedDecision:
    """A decision that counts."""

    decision: dict[str, Any]  # row of the decision kind
    about: dict[str, Any]  # row of silver.quarantine

    @property
    def resubmission(self) -> Resubmission | None:
        """The event to check again; None when it is rejected."""
        verdict = self.decision["decision"]
        if verdict == "reject":
            return None
        refused_by = {reason["rule"] for reason in self.about["reasons"]}
        recheck = bool(self.decision["recheck"]) and verdict == "release"
        return Resubmission(
            **{name: self.about[name] for name in ("kind", "topic", "partition", "offset", "generation")},
            warning="rechecked" if recheck else STATES[verdict],
            released=verdict == "release" and not recheck,
            conflict="id_conflict" in refused_by,
            forged=f"{self.about['kind']}_signed" in refused_by,
            record=self._record(),
            place=self._place(),
        )

    def _place(self) -> Place:
        """That of the record; of a payload that was corrected, now or before, that of its series."""
        about = self.about
        place = place_of(about["topic"], about["partition"])
        if self.decision["decision"] != "correct" and not about["generation"]:
            return place
        fields = lenient_payload(self._payload())
        if isinstance(fields, dict) and fields.get("market_id") is None:
            fields["market_id"] = about["market_id"]
        return place_of_series(place, fields, partition_counts())

    def _record(self) -> pa.Table:
        """The event as JUDGED in the decision's batch, corrected if decided so; nothing looks up its id."""
        time = self.decision["ingested_at"]
        row = {name: self.about[name] for name in COPIED} | {
            "value": self._payload(),
            "kafka_timestamp": self.about["received_at"],
            "key": None,
            # What the MQTT topic gave; a market in the payload is used instead of it.
            "other_headers": [("market_id", self.about["market_id"])] if self.about["market_id"] else None,
            "ingested_at": time,
            "ingest_date": time.date(),
        }
        return pa.Table.from_pylist([row], schema=JUDGED)

    def _payload(self) -> bytes:
        payload: bytes = self.about["payload"] or b""
        if self.decision["decision"] != "correct":
            return payload
        fields = lenient_payload(payload)
        return orjson.dumps(
            (fields if isinstance(fields, dict) else {}) | orjson.loads(self.decision["correction"])
        )


def review_rows(
    applied: Iterable[AppliedDecision], landed: Mapping[tuple[str, int, int], bool]
) -> list[dict[str, Any]]:
    """Rows of gold.reviews: what was decided, and where the event landed.

    `landed`: (kind, partition, offset) of a resubmitted event -> whether in silver.
    """
    rows = []
    for review in applied:
        decision = review.decision
        about = review.about
        in_silver = landed.get((about["kind"], about["partition"], about["offset"]))
        rows.append(
            {
                **{name: about[name] for name in ("event_id", "kind", "generation")},
                **{name: decision[name] for name in TAKEN},
                "decision_id": decision["event_id"],
                "decided_at": decision["event_time"],
                "state": STATES[decision["decision"]],
                "outcome": "closed" if in_silver is None else "silver" if in_silver else "quarantine",
            }
        )
    return rows
